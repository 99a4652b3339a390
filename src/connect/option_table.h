#pragma once

#include <span>
#include <string>
#include <string_view>

#include "connect/options.h"

namespace millrace {

/// What a name means in a table of options.
struct OptionMatch {
  const OptionSpec* option = nullptr;  ///< null: no such option
  std::string name;  ///< the name to keep the value under: an alias is replaced by the option's own
};

/// Exact names and aliases first, then names with parts in angle brackets.
[[nodiscard]] OptionMatch find_option(std::span<const OptionSpec> options, std::string_view name);

/// True when `name` is the pattern's name with something for each part in angle brackets.
[[nodiscard]] bool matches_option(std::string_view pattern, std::string_view name);

/// The option's name that is nearest to `name`, parts in brackets filled from it; empty when none is near.
[[nodiscard]] std::string nearest_option(std::span<const OptionSpec> options, std::string_view name);

/// What a value has to look like: `an integer from 1 to 65535`, `one of initial, no_data`.
[[nodiscard]] std::string expected_form(const OptionSpec& option);

/// `integer`, `text`, `secret`...: for help and pages.
[[nodiscard]] std::string_view type_name(OptionType type);
[[nodiscard]] std::string_view importance_name(Importance importance);

}  // namespace millrace
