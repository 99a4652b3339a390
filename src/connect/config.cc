#include "connect/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/pattern.h"
#include "base/text.h"
#include "connect/option_table.h"

namespace millrace {
namespace {

constexpr std::array kTextTypes{OptionType::kText, OptionType::kSecret, OptionType::kEnum, OptionType::kList,
                                OptionType::kPatternList};
constexpr std::array kListTypes{OptionType::kList, OptionType::kPatternList};
constexpr std::array kIntegerTypes{OptionType::kInteger};
constexpr std::array kBooleanTypes{OptionType::kBoolean};

constexpr std::array<std::string_view, 1> kSections{"connectors"};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool same_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) { return lower(x) == lower(y); });
}

bool in_range(const OptionSpec& option, std::int64_t value) {
  return (!option.minimum || value >= *option.minimum) && (!option.maximum || value <= *option.maximum);
}

/// `found "abc"`, in the words of the file: a looked-up value is never shown.
std::string found(const Setting& setting) {
  if (setting.value.empty()) return "found nothing";
  if (setting.value.find("${") != std::string::npos) {
    return fmt::format("found something else in {}", printable(setting.value, 60));
  }
  return fmt::format("found \"{}\"", printable(setting.value, 60));
}

/// What is wrong with `value`, or nothing; brings it into its plain form.
std::optional<std::string> ill_typed(const OptionSpec& option, const Setting& written, std::string& value) {
  const auto wrong = [&] { return fmt::format("expected {}, {}", expected_form(option), found(written)); };
  switch (option.type) {
    case OptionType::kBoolean: {
      const bool is_true = same_ignoring_case(value, "true");
      if (!is_true && !same_ignoring_case(value, "false")) return wrong();
      value = is_true ? "true" : "false";
      return std::nullopt;
    }
    case OptionType::kInteger: {
      const auto number = parse_int64(value);
      if (!number || !in_range(option, *number)) return wrong();
      return std::nullopt;
    }
    case OptionType::kEnum: {
      const auto choice = std::ranges::find_if(
          option.choices, [&](std::string_view one) { return same_ignoring_case(one, value); });
      if (choice == option.choices.end()) return wrong();
      value = *choice;
      return std::nullopt;
    }
    case OptionType::kPatternList: {
      auto patterns = PatternList::compile(split_list(value), true);
      if (!patterns) return fmt::format("expected {}: {}", expected_form(option), patterns.error().message);
      return std::nullopt;
    }
    case OptionType::kText:
    case OptionType::kSecret:
    case OptionType::kList:
      break;
  }
  return std::nullopt;
}

std::string full_key(const ConnectorConfig::Owner& owner, std::string_view name) {
  if (owner.connector.empty() || owner.origin.file.empty()) return std::string(name);
  return fmt::format("connectors.{}.{}", owner.connector, name);
}

std::string unknown_option(const ConnectorConfig::Owner& owner, std::span<const OptionSpec> options,
                           std::string_view name) {
  const std::string near = nearest_option(options, name);
  if (owner.connector.empty() && nearest_name(name.substr(0, name.find('.')), kSections) == kSections[0] &&
      near.empty()) {
    return fmt::format("not an option of {}; did you mean connectors?", owner.what);
  }
  if (!near.empty()) return fmt::format("not an option of {}; did you mean {}?", owner.what, near);
  return fmt::format("not an option of {}; `millrace explain` lists them", owner.what);
}

/// The mapping of a file in which `name` lies, when no option lies there: its name alone is wrong. Else
/// empty.
std::string_view unknown_section(const ConnectorConfig::Owner& owner, std::span<const OptionSpec> options,
                                 std::string_view name) {
  const std::size_t dot = name.find('.');
  if (!owner.connector.empty() || dot == std::string_view::npos) return {};
  const auto lies_there = [&](const OptionSpec& option) {
    return option.name.starts_with(name.substr(0, dot + 1));
  };
  return std::ranges::any_of(options, lies_there) ? std::string_view() : name.substr(0, dot);
}

/// Values of a known option: looked up and checked. Nothing: a fault was added.
std::optional<std::string> checked_value(const ConnectorConfig::Owner& owner, const OptionSpec& option,
                                         const Setting& setting, const ValueSource& values, Faults& faults) {
  const std::string folder = std::filesystem::path(setting.origin.file).parent_path().string();
  auto value = interpolate(setting.value, folder, values);
  std::optional<std::string> wrong;
  if (!value) {
    wrong = value.error().message;
  } else {
    wrong = ill_typed(option, setting, *value);
    if (!wrong && option.required && value->empty())
      wrong = fmt::format("expected {}, found nothing", expected_form(option));
  }
  if (!wrong) return *std::move(value);
  faults.add(setting.origin, full_key(owner, setting.name), *wrong);
  return std::nullopt;
}

}  // namespace

std::optional<ConnectorConfig> ConnectorConfig::check(const Owner& owner, std::span<const OptionSpec> options,
                                                      const std::vector<Setting>& settings,
                                                      const ValueSource& values, Faults& faults) {
  ConnectorConfig config;
  config.connector_ = owner.connector;
  config.options_ = options;
  bool ok = true;
  const auto fault = [&](const Origin& origin, std::string_view key, const std::string& text) {
    faults.add(origin, key, text);
    ok = false;
  };
  std::vector<std::string_view> given;
  std::set<std::string> sections;  // unknown ones, each told of once
  for (const Setting& setting : settings) {
    const OptionMatch match = find_option(options, setting.name);
    if (match.option == nullptr) {
      const std::string_view section = unknown_section(owner, options, setting.name);
      if (!section.empty() && !sections.emplace(section).second) continue;
      if (!section.empty()) {
        fault(setting.origin, section, unknown_option(owner, options, setting.name));
        continue;
      }
      fault(setting.origin, full_key(owner, setting.name), unknown_option(owner, options, setting.name));
      continue;
    }
    given.push_back(match.option->name);
    if (const auto earlier = config.values_.find(match.name); earlier != config.values_.end()) {
      fault(setting.origin, full_key(owner, setting.name),
            fmt::format("given twice, also on line {}", earlier->second.origin.line));
      continue;
    }
    auto value = checked_value(owner, *match.option, setting, values, faults);
    ok = ok && value.has_value();
    config.order_.push_back(match.name);
    config.values_.emplace(match.name, Setting{match.name, std::move(value).value_or(""), setting.origin});
  }
  for (const OptionSpec& option : options) {
    if (std::ranges::find(given, option.name) != given.end()) continue;
    if (option.default_value) {
      config.order_.emplace_back(option.name);
      config.values_.emplace(option.name,
                             Setting{std::string(option.name), std::string(*option.default_value), {}});
    } else if (option.required) {
      fault(owner.origin, full_key(owner, option.name),
            fmt::format("missing; {} needs it: {}", owner.what, expected_form(option)));
    }
  }
  if (!ok) return std::nullopt;
  return config;
}

Result<ConnectorConfig> ConnectorConfig::make(std::string connector, std::span<const OptionSpec> options,
                                              const std::vector<Setting>& settings) {
  Faults faults;
  Origin origin;
  if (!settings.empty()) origin.file = settings.front().origin.file;
  auto config =
      check({std::move(connector), "this connector", origin}, options, settings, system_values(), faults);
  if (!config) return faults.error();
  return *std::move(config);
}

const Setting* ConnectorConfig::find(std::string_view name, std::span<const OptionType> types) const {
  const OptionMatch match = find_option(options_, name);
  MILLRACE_CHECK(match.option != nullptr);
  MILLRACE_CHECK(types.empty() || std::ranges::find(types, match.option->type) != types.end());
  const auto at = values_.find(match.name);
  return at == values_.end() ? nullptr : &at->second;
}

bool ConnectorConfig::has(std::string_view name) const { return find(name, {}) != nullptr; }

const std::string& ConnectorConfig::text(std::string_view name) const {
  static const std::string empty;
  const Setting* setting = find(name, kTextTypes);
  return setting == nullptr ? empty : setting->value;
}

std::int64_t ConnectorConfig::integer(std::string_view name) const {
  const Setting* setting = find(name, kIntegerTypes);
  return setting == nullptr ? 0 : parse_int64(setting->value).value_or(0);
}

bool ConnectorConfig::boolean(std::string_view name) const {
  const Setting* setting = find(name, kBooleanTypes);
  return setting != nullptr && setting->value == "true";
}

std::vector<std::string> ConnectorConfig::list(std::string_view name) const {
  const Setting* setting = find(name, kListTypes);
  return setting == nullptr ? std::vector<std::string>{} : split_list(setting->value);
}

std::vector<Setting> ConnectorConfig::below(std::string_view prefix) const {
  std::vector<Setting> out;
  for (const std::string& name : order_) {
    if (name.size() <= prefix.size() || !name.starts_with(prefix)) continue;
    const Setting& setting = values_.at(name);
    out.push_back({name.substr(prefix.size()), setting.value, setting.origin});
  }
  return out;
}

Origin ConnectorConfig::origin(std::string_view name) const {
  const Setting* setting = find(name, {});
  return setting == nullptr ? Origin{} : setting->origin;
}

std::vector<std::string> ConnectorConfig::secrets() const {
  std::vector<std::string> out;
  for (const auto& [name, setting] : values_) {
    const OptionMatch match = find_option(options_, name);
    if (match.option->type == OptionType::kSecret && !setting.value.empty()) out.push_back(setting.value);
  }
  return out;
}

}  // namespace millrace
