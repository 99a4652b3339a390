#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/fault.h"
#include "connect/interpolation.h"
#include "connect/options.h"

namespace millrace {

/// One `name = text` of the flat model. `value` is as written: `${env:X}` and `${file:path:key}` are looked
/// up late and never printed.
struct Setting {
  std::string name;
  std::string value;
  Origin origin;
};

/// A connector's settings, checked against its options. Reading a name that is no option of the spec, or by
/// another type, is our fault and ends the program.
class ConnectorConfig {
 public:
  /// Checks every setting (known, right type, in range, required ones there), looks secrets up, fills
  /// defaults in. All faults at once, a line each, with file, line, key, what was expected and the nearest
  /// known name.
  [[nodiscard]] static Result<ConnectorConfig> make(std::string connector,
                                                    std::span<const OptionSpec> options,
                                                    const std::vector<Setting>& settings);

  /// Who the settings belong to, for the words of a fault.
  struct Owner {
    std::string connector;  ///< its name; empty: the pipeline file itself
    std::string_view what;  ///< e.g. `a postgres connector`
    Origin origin;          ///< where it begins; for what is missing
  };
  /// As `make`, the faults added to those of the rest of the file. Nothing when there was one. `options` must
  /// live on.
  [[nodiscard]] static std::optional<ConnectorConfig> check(const Owner& owner,
                                                            std::span<const OptionSpec> options,
                                                            const std::vector<Setting>& settings,
                                                            const ValueSource& values, Faults& faults);

  [[nodiscard]] const std::string& connector() const { return connector_; }
  [[nodiscard]] bool has(std::string_view name) const;                 ///< given, or there is a default
  [[nodiscard]] const std::string& text(std::string_view name) const;  ///< empty when unset
  [[nodiscard]] std::int64_t integer(std::string_view name) const;     ///< 0 when unset
  [[nodiscard]] bool boolean(std::string_view name) const;             ///< false when unset
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
  /// Settings whose name starts with `prefix`, in the order written, the prefix cut off.
  [[nodiscard]] std::vector<Setting> below(std::string_view prefix) const;
  /// Where it was written; line 0 for a default.
  [[nodiscard]] Origin origin(std::string_view name) const;
  /// Every secret value, so that what is shown can be searched for them. Never shown itself.
  [[nodiscard]] std::vector<std::string> secrets() const;

 private:
  [[nodiscard]] const Setting* find(std::string_view name, std::span<const OptionType> types) const;

  std::string connector_;
  std::span<const OptionSpec> options_;
  std::map<std::string, Setting, std::less<>> values_;
  std::vector<std::string> order_;
};

}  // namespace millrace
