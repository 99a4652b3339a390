#pragma once

#include <string>
#include <string_view>

#include "sink/redis/target/target.h"

namespace millrace::redis {

/// Where an entry lies: its key, and the member there of keys that rows share.
struct EntryPlace {
  std::string key;
  std::string member;

  /// As one text, and back.
  [[nodiscard]] std::string handle() const;
  [[nodiscard]] static EntryPlace of(const std::string& handle);
  /// For people: `flights:by_origin:VIE 7`, `order:1 $["lines"]["2"]`.
  [[nodiscard]] std::string shown(const Target& target) const;
};

}  // namespace millrace::redis
