#include "cli/explain.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "connect/option_table.h"
#include "connect/pipeline.h"

namespace millrace {
namespace {

constexpr std::string_view kFileKind = "file";
constexpr std::size_t kDocWidth = 100;

/// Whose options they are.
struct Owner {
  std::string_view kind;
  std::string title;
  std::span<const OptionSpec> options;
};

std::vector<Owner> owners(std::string_view kind, std::span<const ConnectorSpec* const> specs) {
  std::vector<Owner> out;
  if (kind.empty() || kind == kFileKind) out.push_back({kFileKind, "the pipeline file", pipeline_options()});
  for (const ConnectorSpec* spec : specs) {
    if (!kind.empty() && find_spec(specs, kind) != spec) continue;
    out.push_back({spec->kind, fmt::format("{} ({})", spec->kind, spec->is_source() ? "source" : "sink"),
                   spec->options});
  }
  return out;
}

/// Words of `text` in lines of at most `width` characters, each indented.
std::string wrapped(std::string_view text, std::size_t width, std::string_view indent) {
  std::string out;
  std::string line;
  while (!text.empty()) {
    const std::size_t end = text.find(' ');
    const std::string_view word = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    if (!line.empty() && line.size() + 1 + word.size() > width) {
      out += fmt::format("{}{}\n", indent, line);
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty()) out += fmt::format("{}{}\n", indent, line);
  return out;
}

std::string describe(const Owner& owner, const OptionSpec& option) {
  std::string out =
      fmt::format("{}\n  of        {}\n  expected  {}\n", option.name, owner.title, expected_form(option));
  if (option.type == OptionType::kSecret)
    out += "  secret    never shown; best given as ${env:NAME} or ${file:PATH:KEY}\n";
  if (option.required) {
    out += "  required\n";
  } else {
    const std::string_view none = option.default_value ? "(empty)" : "(none)";
    const std::string_view value = option.default_value.value_or("");
    out += fmt::format("  default   {}\n", value.empty() ? none : value);
  }
  if (!option.aliases.empty()) out += fmt::format("  also      {}\n", fmt::join(option.aliases, ", "));
  return out + "\n" + wrapped(option.doc, kDocWidth, "  ");
}

std::string list_of(const std::vector<Owner>& all, std::string_view prefix) {
  std::string out;
  for (const Owner& owner : all) {
    TextTable table({{owner.title}, {"EXPECTED"}, {"DEFAULT"}});
    bool any = false;
    for (const OptionSpec& option : owner.options) {
      if (!option.name.starts_with(prefix)) continue;
      any = true;
      table.add({std::string(option.name), expected_form(option),
                 option.required ? "(required)" : std::string(option.default_value.value_or(""))});
    }
    if (any) out += (out.empty() ? "" : "\n") + table.text();
  }
  return out;
}

/// Without `connectors.<name>.` in front.
std::string_view without_connector(std::string_view name) {
  constexpr std::string_view kPrefix = "connectors.";
  if (!name.starts_with(kPrefix)) return name;
  const std::size_t dot = name.find('.', kPrefix.size());
  return dot == std::string_view::npos ? name : name.substr(dot + 1);
}

std::string find_all(const std::vector<Owner>& all, std::string_view name) {
  std::string out;
  for (const Owner& owner : all) {
    const OptionMatch match = find_option(owner.options, name);
    if (match.option == nullptr) continue;
    out += (out.empty() ? "" : "\n") + describe(owner, *match.option);
  }
  return out;
}

Error unknown(const std::vector<Owner>& all, std::string_view name) {
  std::vector<std::string> near;
  for (const Owner& owner : all) {
    std::string one = nearest_option(owner.options, name);
    if (!one.empty()) near.push_back(std::move(one));
  }
  const std::string hint = near.empty() ? std::string("`millrace explain` without a name lists all options")
                                        : fmt::format("did you mean {}?", fmt::join(near, " or "));
  return stop_error(fmt::format("there is no option {}", printable(name)), hint);
}

}  // namespace

Result<std::string> explain_option(std::string_view name, std::string_view kind,
                                   std::span<const ConnectorSpec* const> specs) {
  if (!kind.empty() && kind != kFileKind && find_spec(specs, kind) == nullptr) {
    return stop_error(fmt::format("there is no kind of connector called {}", printable(kind)));
  }
  const std::vector<Owner> all = owners(kind, specs);
  if (name.empty()) return list_of(all, "");
  name = without_connector(name);
  if (name.ends_with('*')) {
    std::string list = list_of(all, name.substr(0, name.size() - 1));
    if (list.empty()) return unknown(all, name);
    return list;
  }
  if (std::string found = find_all(all, name); !found.empty()) return found;
  // `postgres.slot.name`: narrowed to the kind in front.
  const std::size_t dot = name.find('.');
  if (dot != std::string_view::npos && find_spec(specs, name.substr(0, dot)) != nullptr) {
    const std::string found = find_all(owners(name.substr(0, dot), specs), name.substr(dot + 1));
    if (!found.empty()) return found;
  }
  // The beginning of names: `snapshot` lists snapshot.*
  if (std::string list = list_of(all, std::string(name) + "."); !list.empty()) return list;
  return unknown(all, name);
}

ExitCode explain_command(const ExplainOptions& options, Specs specs, Console& console) {
  const auto text = explain_option(options.option, options.kind, specs);
  if (!text) {
    console.complain(text.error());
    return ExitCode::kUsage;
  }
  console.print(*text);
  return ExitCode::kOk;
}

}  // namespace millrace
