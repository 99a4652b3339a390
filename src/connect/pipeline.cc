#include "connect/pipeline.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "connect/option_table.h"
#include "connect/yaml.h"

namespace millrace {
namespace {

constexpr std::string_view kConnectors = "connectors";
constexpr std::size_t kMaxNameBytes = 64;

/// A connector as the file has it, not yet checked.
struct Entry {
  std::string name;
  Origin origin;
  std::optional<Setting> kind;
  std::vector<Setting> settings;
};

struct Document {
  std::vector<Setting> global;
  std::vector<Entry> connectors;
};

bool is_connector_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

Entry& entry_of(Document& document, std::string_view name, const Origin& origin) {
  const auto at = std::ranges::find(document.connectors, name, &Entry::name);
  if (at != document.connectors.end()) return *at;
  document.connectors.push_back({std::string(name), origin, std::nullopt, {}});
  return document.connectors.back();
}

void add_connector_setting(Document& document, FlatSetting&& flat, Faults& faults) {
  const std::string_view rest = std::string_view(flat.setting.name).substr(kConnectors.size() + 1);
  const std::size_t dot = rest.find('.');
  Entry& entry = entry_of(document, rest.substr(0, dot), flat.setting.origin);
  if (dot == std::string_view::npos) {
    if (!flat.empty) faults.add(flat.setting.origin, flat.setting.name, "expected settings as `key: value`");
    return;
  }
  Setting setting{std::string(rest.substr(dot + 1)), std::move(flat.setting.value), flat.setting.origin};
  // `connector.class` is what Kafka Connect calls it.
  if (setting.name == "kind" || (setting.name == "connector.class" && !entry.kind)) {
    entry.kind = std::move(setting);
  } else {
    entry.settings.push_back(std::move(setting));
  }
}

Document split(std::vector<FlatSetting> flat, Faults& faults) {
  Document document;
  for (FlatSetting& one : flat) {
    std::string& name = one.setting.name;
    if (name == kConnectors) {
      if (!one.empty)
        faults.add(one.setting.origin, name, "expected a mapping of connector names to settings");
    } else if (name.starts_with(kConnectors) && name[kConnectors.size()] == '.') {
      add_connector_setting(document, std::move(one), faults);
    } else {
      if (name == "log") name = "log.kind";
      document.global.push_back(std::move(one.setting));
    }
  }
  return document;
}

std::vector<std::string_view> kinds(std::span<const ConnectorSpec* const> specs) {
  std::vector<std::string_view> out;
  for (const ConnectorSpec* spec : specs) out.push_back(spec->kind);
  return out;
}

/// The entry's spec; null after a fault.
const ConnectorSpec* spec_of(const Entry& entry, std::span<const ConnectorSpec* const> specs,
                             Faults& faults) {
  const std::vector<std::string_view> known = kinds(specs);
  const std::string key = fmt::format("{}.{}", kConnectors, entry.name);
  if (!entry.kind || entry.kind->value.empty()) {
    faults.add(entry.origin, key + ".kind",
               fmt::format("missing; expected one of {}", fmt::join(known, ", ")));
    return nullptr;
  }
  const ConnectorSpec* spec = find_spec(specs, entry.kind->value);
  if (spec == nullptr) {
    const std::string_view near = nearest_name(entry.kind->value, known);
    faults.add(entry.kind->origin, fmt::format("{}.{}", key, entry.kind->name),
               fmt::format("expected one of {}, found \"{}\"{}", fmt::join(known, ", "),
                           printable(entry.kind->value, 60),
                           near.empty() ? "" : fmt::format("; did you mean {}?", near)));
  }
  return spec;
}

void add_setting_faults(const Entry& entry, const ConnectorSpec& spec, const ConnectorConfig& config,
                        Faults& faults) {
  SettingFaults found;
  spec.validate(config, found);
  for (const SettingFaults::Fault& one : found.all()) {
    const Origin written = one.option.empty() ? Origin{} : config.origin(one.option);
    faults.add(written.line == 0 ? entry.origin : written,
               fmt::format("{}.{}{}{}", kConnectors, entry.name, one.option.empty() ? "" : ".", one.option),
               one.hint.empty() ? one.text : fmt::format("{}; {}", one.text, one.hint));
  }
}

std::optional<ConfiguredConnector> configure(const Entry& entry, std::span<const ConnectorSpec* const> specs,
                                             const ValueSource& values, Faults& faults) {
  if (!is_connector_name(entry.name)) {
    faults.add(entry.origin, fmt::format("{}.{}", kConnectors, entry.name),
               "expected a name of at most 64 letters, digits, _ and -");
  }
  const ConnectorSpec* spec = spec_of(entry, specs, faults);
  if (spec == nullptr) return std::nullopt;
  const std::string what = fmt::format("a {} connector", spec->kind);
  auto config =
      ConnectorConfig::check({entry.name, what, entry.origin}, spec->options, entry.settings, values, faults);
  if (!config) return std::nullopt;
  if (spec->validate != nullptr) add_setting_faults(entry, *spec, *config, faults);
  return ConfiguredConnector{spec, *std::move(config)};
}

bool has_option(const ConnectorSpec& spec, std::string_view name) {
  return find_option(spec.options, name).option != nullptr;
}

/// The option's value as text whatever its type; empty when the kind has no such option.
std::string shown(const ConfiguredConnector& one, std::string_view name) {
  if (!has_option(*one.spec, name)) return {};
  for (const Setting& setting : one.config.below("")) {
    if (setting.name == name) return setting.value;
  }
  return {};
}

/// What each connector may have for itself but two may not share.
void check_between(const std::vector<ConfiguredConnector>& connectors, Faults& faults) {
  std::map<std::string, const ConfiguredConnector*> prefixes;
  std::map<std::tuple<std::string, std::string, std::string>, const ConfiguredConnector*> slots;
  const auto clash = [&](const ConfiguredConnector& one, const ConfiguredConnector& other,
                         std::string_view option, std::string_view why) {
    Origin at = one.config.origin(option);
    if (at.file.empty())
      at = one.config.origin(has_option(*one.spec, "database.hostname") ? "database.hostname" : option);
    faults.add(at, fmt::format("{}.{}.{}", kConnectors, one.config.connector(), option),
               fmt::format("the same as of connector {}; {}", other.config.connector(), why));
  };
  for (const ConfiguredConnector& one : connectors) {
    if (!one.spec->is_source()) continue;
    if (const std::string prefix = shown(one, "topic.prefix"); !prefix.empty()) {
      const auto [at, is_new] = prefixes.emplace(prefix, &one);
      if (!is_new) clash(one, *at->second, "topic.prefix", "two sources cannot write the same topics");
    }
    if (const std::string slot = shown(one, "slot.name"); !slot.empty()) {
      const auto [at, is_new] =
          slots.emplace(std::tuple(shown(one, "database.hostname"), shown(one, "database.port"), slot), &one);
      if (!is_new) clash(one, *at->second, "slot.name", "a slot of a server serves one connector");
    }
  }
}

}  // namespace

std::string Pipeline::log_dir() const {
  const std::filesystem::path dir(global.text("log.dir"));
  return (std::filesystem::path(path).parent_path() / dir).lexically_normal().string();
}

const ConnectorSpec* find_spec(std::span<const ConnectorSpec* const> specs, std::string_view kind) {
  for (const ConnectorSpec* spec : specs) {
    if (spec->kind == kind || std::ranges::find(spec->aliases, kind) != spec->aliases.end()) return spec;
  }
  return nullptr;
}

Result<Pipeline> parse_pipeline(std::string_view yaml, const std::string& path,
                                std::span<const ConnectorSpec* const> specs, const ValueSource& values) {
  Faults faults;
  const Document document = split(flatten_yaml(yaml, path, faults), faults);
  Pipeline pipeline;
  pipeline.path = path;
  auto global = ConnectorConfig::check({"", "a pipeline file", {path, 0}}, pipeline_options(),
                                       document.global, values, faults);
  for (const Entry& entry : document.connectors) {
    auto connector = configure(entry, specs, values, faults);
    if (connector) pipeline.connectors.push_back(*std::move(connector));
  }
  check_between(pipeline.connectors, faults);
  if (!faults.empty() || !global) return faults.error();
  pipeline.global = *std::move(global);
  pipeline.name = pipeline.global.text("name");
  if (pipeline.name.empty()) pipeline.name = std::filesystem::path(path).stem().string();
  return pipeline;
}

Result<Pipeline> load_pipeline(const std::string& path, std::span<const ConnectorSpec* const> specs) {
  // The same bounds and care as for any file that a setting names.
  auto text = system_values().file(path);
  if (!text) return std::move(text).error();
  return parse_pipeline(*text, path, specs, system_values());
}

Result<std::string> load_listen_address(const std::string& path) {
  auto text = system_values().file(path);
  if (!text) return std::move(text).error();
  Faults faults;
  const std::vector<FlatSetting> flat = flatten_yaml(*text, path, faults);
  if (flat.empty() && !faults.empty()) return faults.error();
  for (const FlatSetting& one : flat) {
    if (one.setting.name != "http.listen") continue;
    return interpolate(one.setting.value, std::filesystem::path(path).parent_path().string(),
                       system_values());
  }
  return std::string(*find_option(pipeline_options(), "http.listen").option->default_value);
}

}  // namespace millrace
