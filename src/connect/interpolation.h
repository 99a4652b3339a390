#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// The door to values that are kept outside of a configuration. Thread-safe.
class ValueSource {
 public:
  ValueSource() = default;
  ValueSource(const ValueSource&) = delete;
  ValueSource& operator=(const ValueSource&) = delete;
  virtual ~ValueSource() = default;

  /// Nothing: not set.
  [[nodiscard]] virtual std::optional<std::string> environment(const std::string& name) const = 0;
  /// The whole file, at most 1 MiB. The error says why not, without the content.
  [[nodiscard]] virtual Result<std::string> file(const std::string& path) const = 0;
};

/// The process's environment and the file system.
[[nodiscard]] const ValueSource& system_values();

/// `text` with every `${env:NAME}`, `${file:PATH}` (the whole file, trimmed) and `${file:PATH:KEY}` (a
/// properties file) replaced; what comes in is not looked at again. Other `${...}` stay as they are, unless
/// they look like a slip
/// (`${evn:X}`). Relative paths start at `folder`. Errors name the variable, file or key, never a value.
[[nodiscard]] Result<std::string> interpolate(std::string_view text, const std::string& folder,
                                              const ValueSource& values);

}  // namespace millrace
