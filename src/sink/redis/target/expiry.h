#pragma once

#include <cstdint>
#include <string>

#include "sink/redis/target/target_writer.h"

namespace millrace::redis {

/// Appends the commands that say when a row's key, and single fields of its hash, go by themselves; they
/// belong behind the row's write, in the same MULTI. Pure; the target outlives it.
class ExpiryWriter {
 public:
  explicit ExpiryWriter(const Target& target) : seconds_(target.expiry.seconds) {}

  /// `moved`: what the row keeps was under another key before, whence it comes without its end.
  void append(std::string& out, const Item& item, bool moved, std::uint32_t& commands) const;

 private:
  std::int64_t seconds_;
};

}  // namespace millrace::redis
