#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "sink/redis/target/key_template.h"

namespace millrace::redis {

/// What SCAN is asked for: the keys of a table's rows, or what lies beside them, under the same keys with
/// `prefix` in front (and, of a cluster, a tag between the two). A view.
struct KeySearch {
  const RowKey& keys;
  std::string_view prefix{};
  std::string_view redis_type{};
  bool tagged = false;

  [[nodiscard]] std::string pattern() const {
    return glob_escaped(prefix) + (tagged ? "{*}" : "") + keys.pattern();
  }
  /// The row's key that a key found stands for.
  [[nodiscard]] std::string_view name_of(std::string_view key) const {
    key.remove_prefix(prefix.size());
    if (tagged) key.remove_prefix(std::min(key.size(), key.find('}') + 1));
    return key;
  }
};

}  // namespace millrace::redis
