#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

/// A list of regular expressions as Debezium and Kafka Connect take them: Perl syntax, each anchored at both
/// ends. Thread-safe once made.
class PatternList {
 public:
  /// No patterns: matches nothing.
  PatternList();
  PatternList(PatternList&&) noexcept;
  PatternList& operator=(PatternList&&) noexcept;
  ~PatternList();

  /// `patterns` are compiled as they are. The error names the pattern and the place in it.
  [[nodiscard]] static Result<PatternList> compile(const std::vector<std::string>& patterns,
                                                   bool ignore_case);

  /// Whether one of them matches the whole of `text`. Bounded in time: an expression that would search for
  /// too long does not match, nor does any match text that is not UTF-8.
  [[nodiscard]] bool matches(std::string_view text) const;
  [[nodiscard]] bool empty() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
