#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/remote_print.h"
#include "cli/views.h"
#include "format/json_value.h"
#include "format/json_writer.h"

namespace millrace {
namespace {

constexpr std::int64_t kPollEveryUs = 200'000;

std::string path_of(const DeadLettersOptions& options) {
  return "/api/v1/connectors/" + percent_encode(options.connector) + "/dead-letters";
}

std::string filter_of(const DeadLettersOptions& options) {
  std::string out = "?state=" + options.state;
  if (!options.topic.empty()) out += "&topic=" + percent_encode(options.topic);
  if (!options.output.empty()) out += "&output=" + percent_encode(options.output);
  if (!options.error.empty()) out += "&error=" + percent_encode(options.error);
  return out;
}

ExitCode list(const DeadLettersOptions& options, Console& console) {
  const std::string path = path_of(options) + filter_of(options) + "&from=" + std::to_string(options.from) +
                           "&limit=" + std::to_string(options.limit);
  return ask_and_print(options.remote, path, options.json, console,
                       [](std::string_view body) -> Result<std::string> {
                         auto letters = parse_dead_letters(body);
                         if (!letters) return std::move(letters).error();
                         return dead_letters_table(*letters);
                       });
}

ExitCode show_groups(const DeadLettersOptions& options, Console& console) {
  return ask_and_print(options.remote, path_of(options) + "/groups" + filter_of(options), options.json,
                       console, [](std::string_view body) -> Result<std::string> {
                         auto groups = parse_letter_groups(body);
                         if (!groups) return std::move(groups).error();
                         return letter_groups_table(*groups);
                       });
}

/// All about some, as the JSON it comes in.
ExitCode show(const DeadLettersOptions& options, Console& console) {
  for (const std::uint64_t id : options.ids) {
    const ExitCode code =
        ask_and_print(options.remote, path_of(options) + "/" + std::to_string(id), true, console,
                      [](std::string_view body) -> Result<std::string> { return std::string(body); });
    if (code != ExitCode::kOk) return code;
  }
  return ExitCode::kOk;
}

ExitCode export_all(const DeadLettersOptions& options, Console& console) {
  const auto address = remote_address(options.remote);
  if (!address) return wrong_usage(console, address.error());
  Remote remote(*address, console);
  const bool to_screen = options.export_file == "-";
  std::ofstream file;
  if (!to_screen) file.open(options.export_file, std::ios::binary | std::ios::trunc);
  std::uint64_t letters = 0;
  for (std::string from = std::to_string(options.from);;) {
    HttpAnswer answer;
    const std::string path = path_of(options) + filter_of(options) + "&format=ndjson&limit=1000&from=" + from;
    if (const ExitCode code = remote.get(path, answer, 60'000); code != ExitCode::kOk) return code;
    if (to_screen) console.print(answer.body);
    if (!to_screen &&
        !file.write(answer.body.data(), static_cast<std::streamsize>(answer.body.size())).flush()) {
      console.complain(stop_error(options.export_file + " cannot be written"));
      return ExitCode::kFailed;
    }
    letters += static_cast<std::uint64_t>(std::ranges::count(answer.body, '\n'));
    from = answer.header("Millrace-Next-Id");
    if (from.empty() || console.reader_gone()) break;
  }
  if (!to_screen)
    console.print(std::to_string(letters) + " dead letters are in " + options.export_file + "\n");
  return ExitCode::kOk;
}

Result<std::string> read_edit(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) return stop_error("--edit: " + path + " cannot be read");
  if (const auto edit = parse_json_object(text); !edit)
    return stop_error("--edit: " + path + ": " + edit.error().message + " of columns and values");
  return text;
}

void add_text(std::string& body, const char* name, const std::string& text) {
  if (text.empty()) return;
  body += std::string(",\"") + name + "\":";
  append_json_name(body, text);
}

Result<std::string> body_of(const DeadLettersOptions& options) {
  if (!options.all && options.ids.empty() && options.error.empty() && options.topic.empty() &&
      options.output.empty()) {
    return stop_error("it is not said which dead letters", "give --id, --error, --topic, --output or --all");
  }
  std::string body = R"({"by":"command line")";
  if (!options.ids.empty()) {
    body += ",\"ids\":[";
    for (const std::uint64_t id : options.ids) body += std::to_string(id) + ",";
    body.back() = ']';
  }
  add_text(body, "error", options.error);
  add_text(body, "topic", options.topic);
  add_text(body, "output", options.output);
  if (options.all) body += ",\"all\":true";
  if (options.force) body += ",\"force\":true";
  if (!options.edit_file.empty()) {
    auto edit = read_edit(options.edit_file);
    if (!edit) return edit;
    body += ",\"edit\":" + *edit;
  }
  return body + "}";
}

ExitCode act(const DeadLettersOptions& options, Console& console) {
  const auto body = body_of(options);
  if (!body) return wrong_usage(console, body.error());
  const auto address = remote_address(options.remote);
  if (!address) return wrong_usage(console, address.error());
  Remote remote(*address, console);
  HttpAnswer answer;
  if (const ExitCode code = remote.post(path_of(options) + "/" + options.action, *body, answer);
      code != ExitCode::kOk) {
    const bool no_such_letter = answer.status == 404 && !options.ids.empty();
    return no_such_letter ? ExitCode::kFailed : code;
  }
  const auto begun = parse_letter_operation(answer.body);
  if (!begun) return wrong_usage(console, begun.error());
  const std::string path = path_of(options) + "/operations/" + std::to_string(begun->operation);
  SystemClock clock;
  for (;;) {
    if (const ExitCode code = remote.get(path, answer); code != ExitCode::kOk) return code;
    const auto operation = parse_letter_operation(answer.body);
    if (!operation) return wrong_usage(console, operation.error());
    if (operation->state == "finished" || operation->state == "stopped") {
      console.print(options.json ? answer.body : operation_text(*operation));
      const bool well = operation->state == "finished" && operation->failed + operation->held == 0;
      return well ? ExitCode::kOk : ExitCode::kFailed;
    }
    clock.sleep_until(clock.now_us() + kPollEveryUs);
  }
}

}  // namespace

ExitCode dead_letters_command(const DeadLettersOptions& options, Console& console) {
  if (!options.action.empty()) return act(options, console);
  if (options.force || options.all || !options.edit_file.empty())
    return wrong_usage(console, stop_error("--force, --all and --edit need an action: replay or drop"));
  if (!options.export_file.empty()) return export_all(options, console);
  if (options.groups) return show_groups(options, console);
  if (!options.ids.empty()) return show(options, console);
  return list(options, console);
}

}  // namespace millrace
