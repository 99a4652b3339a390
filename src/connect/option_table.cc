#include "connect/option_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace millrace {
namespace {

std::string_view take_part(std::string_view& rest) {
  const std::size_t dot = rest.find('.');
  const std::string_view part = rest.substr(0, dot);
  rest = dot == std::string_view::npos ? std::string_view{} : rest.substr(dot + 1);
  return part;
}

bool is_placeholder(std::string_view part) {
  return part.size() > 2 && part.front() == '<' && part.back() == '>';
}

/// The pattern with its placeholders filled from the parts of `name` at the same places.
std::string fill_placeholders(std::string_view pattern, std::string_view name) {
  std::string out;
  while (!pattern.empty()) {
    const std::string_view part = take_part(pattern);
    const bool is_last = pattern.empty();
    const std::string_view given = is_last && is_placeholder(part) ? name : take_part(name);
    if (!out.empty()) out += '.';
    out += is_placeholder(part) && !given.empty() ? given : part;
  }
  return out;
}

}  // namespace

bool matches_option(std::string_view pattern, std::string_view name) {
  while (!pattern.empty()) {
    const std::string_view part = take_part(pattern);
    if (pattern.empty()) return is_placeholder(part) ? !name.empty() : name == part;
    const std::string_view given = take_part(name);
    if (name.empty()) return false;
    if (is_placeholder(part) ? given.empty() : given != part) return false;
  }
  return false;
}

OptionMatch find_option(std::span<const OptionSpec> options, std::string_view name) {
  for (const OptionSpec& option : options) {
    if (option.name == name || std::ranges::find(option.aliases, name) != option.aliases.end()) {
      return {&option, std::string(option.name)};
    }
  }
  for (const OptionSpec& option : options) {
    if (option.name.find('<') != std::string_view::npos && matches_option(option.name, name)) {
      return {&option, std::string(name)};
    }
  }
  return {};
}

std::string nearest_option(std::span<const OptionSpec> options, std::string_view name) {
  std::vector<std::string> filled;
  for (const OptionSpec& option : options) {
    filled.push_back(fill_placeholders(option.name, name));
    for (const std::string_view alias : option.aliases) filled.emplace_back(alias);
  }
  const std::vector<std::string_view> known(filled.begin(), filled.end());
  return std::string(nearest_name(name, known));
}

std::string expected_form(const OptionSpec& option) {
  switch (option.type) {
    case OptionType::kBoolean:
      return "true or false";
    case OptionType::kInteger:
      if (option.minimum && option.maximum) {
        return fmt::format("an integer from {} to {}", *option.minimum, *option.maximum);
      }
      if (option.minimum) return fmt::format("an integer of at least {}", *option.minimum);
      if (option.maximum) return fmt::format("an integer of at most {}", *option.maximum);
      return "an integer";
    case OptionType::kEnum:
      return fmt::format("one of {}", fmt::join(option.choices, ", "));
    case OptionType::kList:
      return "a list (a YAML sequence, or text with commas)";
    case OptionType::kPatternList:
      return "a list of regular expressions (a YAML sequence, or text with commas)";
    case OptionType::kText:
    case OptionType::kSecret:
      break;
  }
  return "text";
}

std::string_view type_name(OptionType type) {
  switch (type) {
    case OptionType::kBoolean:
      return "boolean";
    case OptionType::kInteger:
      return "integer";
    case OptionType::kText:
      return "text";
    case OptionType::kSecret:
      return "secret";
    case OptionType::kList:
      return "list";
    case OptionType::kPatternList:
      return "list of patterns";
    case OptionType::kEnum:
      return "choice";
  }
  return "text";
}

std::string_view importance_name(Importance importance) {
  switch (importance) {
    case Importance::kHigh:
      return "high";
    case Importance::kMedium:
      return "medium";
    case Importance::kLow:
      return "low";
  }
  return "medium";
}

}  // namespace millrace
