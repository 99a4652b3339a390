#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/remote_print.h"
#include "cli/views.h"
#include "control/start_point.h"

namespace millrace {
namespace {

constexpr std::int64_t kWatchEveryUs = 1'000'000;
constexpr std::uint64_t kRowsAtOnce = 5000;
constexpr std::int64_t kFollowWaitMs = 20'000;
constexpr std::int64_t kRetryAfterUs = 1'000'000;

Result<std::string> show_status(std::string_view body) {
  auto connectors = parse_status(body);
  if (!connectors) return std::move(connectors).error();
  return status_table(*connectors);
}

ExitCode watch_status(const StatusOptions& options, Console& console) {
  const auto address = remote_address(options.remote);
  if (!address) return wrong_usage(console, address.error());
  Remote remote(*address, console);
  SystemClock clock;
  while (!console.reader_gone()) {
    HttpAnswer answer;
    if (const ExitCode code = remote.get("/api/v1/status", answer); code != ExitCode::kOk) return code;
    if (options.json) {
      console.print(answer.body);
    } else {
      const auto text = show_status(answer.body);
      if (!text) return wrong_usage(console, text.error());
      console.clear_screen();
      console.print(*text);
    }
    clock.sleep_until(clock.now_us() + kWatchEveryUs);
  }
  return ExitCode::kOk;
}

/// Header `name` of an answer as a number; nothing when the peer is no millrace.
std::optional<std::uint64_t> number_in(const HttpAnswer& answer, const std::string& name) {
  return parse_uint64(answer.header(name));
}

/// What was asked for may be gone (by retention, even between two pages) or not there yet.
void tell_of_gap(const std::string& asked, const HttpAnswer& answer, Console& console) {
  const auto point = parse_start_point(asked);
  const auto begin = number_in(answer, "Millrace-Begin-Offset");
  const auto end = number_in(answer, "Millrace-End-Offset");
  if (!point || point->kind != StartPoint::Kind::kOffset || !begin || !end) return;
  const std::string wanted = std::to_string(point->offset);
  if (*begin > point->offset) {
    console.complain("retention has removed the rows before offset " + std::to_string(*begin) +
                     ": what follows begins at " + std::to_string(*begin) + " instead of " + wanted);
  } else if (point->offset > *end) {
    console.complain("the topic ends at offset " + std::to_string(*end) + ": there is no row at " + wanted +
                     " yet");
  }
}

/// What was taken is done by the running process; a word of what that is.
std::string what_happens_next(const SteerOptions& options) {
  const std::string& name = options.name;
  if (options.action == "pause") return name + " is being paused, until `millrace resume " + name + "`";
  if (options.action == "resume") return name + " goes on where it was";
  if (options.action == "restart") return name + " stops and starts again; `millrace status` shows how it is";
  if (options.action == "reset")
    return name + " begins anew: a source with its first snapshot, a sink with the log's oldest rows";
  return "the log keeps nothing for " + name + " any more";
}

}  // namespace

ExitCode status_command(const StatusOptions& options, Console& console) {
  if (options.watch) return watch_status(options, console);
  return ask_and_print(options.remote, "/api/v1/status", options.json, console, show_status);
}

ExitCode topics_command(const TopicsOptions& options, Console& console) {
  return ask_and_print(options.remote, "/api/v1/topics", options.json, console,
                       [](std::string_view body) -> Result<std::string> {
                         auto topics = parse_topics(body);
                         if (!topics) return std::move(topics).error();
                         return topics_table(*topics);
                       });
}

ExitCode steer_command(const SteerOptions& options, Console& console) {
  const auto address = remote_address(options.remote);
  if (!address) return wrong_usage(console, address.error());
  const std::string kind = options.action == "forget" ? "sinks" : "connectors";
  const ExitCode code =
      Remote(*address, console)
          .post("/api/v1/" + kind + "/" + percent_encode(options.name) + "/" + options.action);
  if (code == ExitCode::kOk) console.print(what_happens_next(options) + "\n");
  return code;
}

ExitCode consume_command(const ConsumeOptions& options, Console& console) {
  if (const auto point = parse_start_point(options.from); !point) {
    return wrong_usage(console, stop_error("--from: " + point.error().message));
  }
  const auto address = remote_address(options.remote);
  if (!address) return wrong_usage(console, address.error());
  Remote remote(*address, console);
  const std::string path =
      "/api/v1/topics/" + percent_encode(options.topic) + "/rows?format=" + options.format;
  std::string from = options.from;
  std::uint64_t left = options.limit;
  SystemClock clock;
  std::optional<std::uint64_t> end;  // where the topic ended when we came: without --follow, no further
  for (bool at_end = false;;) {
    std::uint64_t rows = options.limit == 0 ? kRowsAtOnce : std::min(left, kRowsAtOnce);
    if (!options.follow && end) {
      if (const auto at = parse_uint64(from); at && *at < *end) rows = std::min(rows, *end - *at);
    }
    // Waits only where there was nothing more: what is there already comes at once.
    const std::int64_t wait_ms = options.follow && at_end ? kFollowWaitMs : 0;
    HttpAnswer answer;
    const ExitCode code =
        remote.get(path + "&from=" + percent_encode(from) + "&limit=" + std::to_string(rows) +
                       "&wait_ms=" + std::to_string(wait_ms),
                   answer, wait_ms + 30'000);
    if (code != ExitCode::kOk) return code;
    const auto next = number_in(answer, "Millrace-Next-Offset");
    if (!end) end = number_in(answer, "Millrace-End-Offset");
    if (!next || !end) return wrong_usage(console, stop_error("the answer is not one of millrace"));
    tell_of_gap(from, answer, console);
    console.print(answer.body);
    if (console.reader_gone()) return ExitCode::kOk;
    const auto came = static_cast<std::uint64_t>(std::ranges::count(answer.body, '\n'));
    if (options.limit != 0) {
      left -= std::min(left, came);
      if (left == 0) return ExitCode::kOk;
    }
    if (!options.follow && (came == 0 || *next >= *end)) return ExitCode::kOk;
    at_end = came == 0;
    if (at_end && !answer.header("Retry-After").empty()) clock.sleep_until(clock.now_us() + kRetryAfterUs);
    from = std::to_string(*next);
  }
}

}  // namespace millrace
