#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/metrics.h"
#include "cli/check.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "connect/pipeline.h"
#include "control/pipeline_host.h"
#include "log/memory/memory_log.h"
#include "log/rocks/rocks_log.h"

namespace millrace {
namespace {

constexpr std::int64_t kRefreshMs = 250;
constexpr std::int64_t kPlainMs = 5000;

/// What a run stands on; outlives log and host.
struct Ground {
  Ground(LogLevel level, LogFormat format) : logger(level, format) {}
  SystemClock clock;
  Logger logger;
  Metrics metrics;
  FailPoints failpoints;
  MemoryDisk memory;
};

Result<std::unique_ptr<Log>> open_log(const Pipeline& pipeline, Ground& ground) {
  if (pipeline.global.text("log.kind") == "memory") {
    return open_memory_log(ground.memory, {}, ground.clock, ground.logger, ground.metrics, ground.failpoints);
  }
  RocksLogOptions options;
  options.directory = pipeline.log_dir();
  return open_rocks_log(options, ground.clock, ground.logger, ground.metrics, ground.failpoints);
}

/// True when some connector has no error, and the process itself (its log, its address) has none either.
bool some_can_start(const Pipeline& pipeline, const std::vector<Checked>& findings) {
  const auto has_error_of = [&](std::string_view owner) {
    return std::any_of(findings.begin(), findings.end(), [&](const Checked& one) {
      return one.owner == owner && one.finding.level == Finding::Level::kError;
    });
  };
  if (has_error_of("log") || has_error_of("http")) return false;
  return std::any_of(pipeline.connectors.begin(), pipeline.connectors.end(),
                     [&](const ConfiguredConnector& one) { return !has_error_of(one.config.connector()); });
}

/// Tells what `check` finds. False: there is no use in starting. A connector with an error does not keep the
/// others from it: it fails by itself, with the same words in its status.
bool look_first(const Pipeline& pipeline, Console& console) {
  std::vector<Checked> findings = check_pipeline(pipeline);
  for (Checked& one : findings) {
    // A server that is only away: its connector waits for it.
    if (one.finding.may_heal) one.finding.level = Finding::Level::kWarning;
  }
  const std::string text = findings_text(findings, false);
  if (!text.empty()) console.print(text);
  if (!has_error(findings)) return true;
  if (some_can_start(pipeline, findings)) {
    console.complain("started with errors: the connectors that have them above will fail, the others run");
    return true;
  }
  console.complain("not started: see the errors above; `millrace check` shows everything that was looked at");
  return false;
}

std::vector<ConnectorView> views(const PipelineHost& host) {
  std::vector<ConnectorView> out;
  for (const ConnectorStatus& one : host.status()) out.push_back(view_of(one));
  return out;
}

/// Shows how it goes until a stop signal comes.
void watch(const PipelineHost& host, StopSignals& signals, Clock& clock, Console& console) {
  Progress progress;
  const std::int64_t every_ms = console.is_terminal() ? kRefreshMs : kPlainMs;
  while (!signals.wait(every_ms)) {
    if (console.is_terminal()) {
      console.refresh(progress.line(views(host), clock.now_us()));
    } else if (const auto line = progress.plain_line(views(host), clock.now_us())) {
      console.print(*line + "\n");
    }
  }
  console.clear_line();
}

ExitCode not_started(Console& console, const Error& error) {
  console.complain(error);
  return ExitCode::kCheckFailed;
}

}  // namespace

ExitCode run_command(const RunOptions& options, Specs specs, Console& console) {
  const auto pipeline = load_pipeline(options.file, specs);
  if (!pipeline) {
    console.complain(pipeline.error().message);
    return ExitCode::kUsage;
  }
  Ground ground(options.log_level, options.log_format);
  if (const char* points = std::getenv("MILLRACE_FAILPOINTS")) {
    if (const Status parsed = FailPoints::parse(points, ground.failpoints); !parsed) {
      console.complain(parsed.error());
      return ExitCode::kUsage;
    }
  }
  if (!look_first(*pipeline, console)) return ExitCode::kCheckFailed;
  StopSignals signals;
  auto log = open_log(*pipeline, ground);
  if (!log) return not_started(console, log.error());
  auto host = PipelineHost::start(*pipeline, *std::move(log),
                                  {ground.clock, ground.logger, ground.metrics, ground.failpoints});
  if (!host) return not_started(console, host.error());
  console.print("pipeline " + pipeline->name + " runs, HTTP at http://" + (*host)->address() + "\n");
  watch(**host, signals, ground.clock, console);
  const bool some_failed = std::ranges::any_of(
      (*host)->status(), [](const ConnectorStatus& one) { return one.state == ConnectorState::kFailed; });
  (*host)->stop();
  console.print(some_failed ? "stopped; a connector had failed\n" : "stopped\n");
  return some_failed ? ExitCode::kFailed : ExitCode::kOk;
}

}  // namespace millrace
