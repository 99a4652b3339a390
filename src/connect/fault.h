#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Where a setting was written, for errors. Line 0: not from a file.
struct Origin {
  std::string file;
  int line = 0;
};

/// Collects what is wrong with a configuration, so that one look tells the operator everything.
class Faults {
 public:
  /// `key` is the full name of the setting (may be empty), `text` says what was expected. Neither may hold a
  /// secret.
  void add(const Origin& origin, std::string_view key, std::string_view text);

  [[nodiscard]] bool empty() const { return lines_.empty(); }
  /// A stop error with a line per fault, `file:line: key: text`, in the order of the file.
  [[nodiscard]] Error error() const;

 private:
  std::multimap<int, std::string>
      lines_;  // by line of the file; equal ones stay in the order they were added
};

/// `text` made fit for a terminal: line breaks and tabs become spaces, other control characters `?`, more
/// than `limit` bytes are cut with `...`.
[[nodiscard]] std::string printable(std::string_view text, std::size_t limit = 120);

}  // namespace millrace
