#include <algorithm>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/metrics.h"
#include "cli/commands.h"
#include "cli/running_process.h"
#include "cli/verify_report.h"
#include "connect/pipeline.h"
#include "runtime/topic_filter.h"
#include "verify/verify.h"

namespace millrace {
namespace {

constexpr std::int64_t kTellEveryUs = 200'000;
constexpr std::int64_t kTellLogEveryUs = 5'000'000;

std::set<EntryState::Kind> kinds_of(const std::vector<std::string>& names) {
  std::set<EntryState::Kind> out;
  for (const std::string& name : names) {
    if (name == "missing") out.insert(EntryState::Kind::kMissing);
    if (name == "different") out.insert(EntryState::Kind::kDifferent);
    if (name == "extra") out.insert(EntryState::Kind::kExtra);
  }
  return out;
}

/// Sources and sinks of one file held against each other.
class Verification {
 public:
  Verification(const VerifyCommandOptions& options, const Pipeline& pipeline, Console& console)
      : options_(options),
        pipeline_(pipeline),
        console_(console),
        logger_(LogLevel::kWarn, LogFormat::kText) {}

  Status run() {
    MILLRACE_TRY(open_sources());
    MILLRACE_TRY(check_tables());
    for (const ConfiguredConnector& sink : pipeline_.connectors) {
      if (sink.spec->is_source() || !is_chosen(options_.sinks, sink.config.connector())) continue;
      SinkReport& report = reports_.emplace_back();
      report.sink = sink.config.connector();
      MILLRACE_TRY(verify_sink(sink, report));
    }
    return {};
  }

  [[nodiscard]] const std::vector<SinkReport>& reports() const { return reports_; }

 private:
  static bool is_chosen(const std::vector<std::string>& names, const std::string& name) {
    return names.empty() || std::ranges::count(names, name) > 0;
  }

  TaskContext context_of(const std::string& connector) {
    return {connector, "",          clock_, logger_,
            metrics_,  failpoints_, {}};  // a signal ends the process: nothing is half done
  }

  struct OpenSource {
    std::unique_ptr<TaskContext> context;  // before the scanner, which it outlives
    std::unique_ptr<TableScanner> scanner;
    std::vector<ScanTable> tables;
  };

  static Error named(const std::string& connector, Error error) {
    error.message = connector + ": " + error.message;
    return error;
  }

  static Error cannot(const ConfiguredConnector& one) {
    return stop_error(one.config.connector() + ": connectors of kind " + std::string(one.spec->kind) +
                      " cannot be verified");
  }

  Status open_sources() {
    for (const ConfiguredConnector& one : pipeline_.connectors) {
      if (!one.spec->is_source()) continue;
      const std::string& name = one.config.connector();
      if (one.spec->make_scanner == nullptr) return cannot(one);
      auto scanner = one.spec->make_scanner(one.config);
      if (!scanner) return named(name, std::move(scanner).error());
      OpenSource source{std::make_unique<TaskContext>(context_of(name)), std::move(*scanner), {}};
      auto tables = source.scanner->open(*source.context);
      if (!tables) return named(name, std::move(tables).error());
      source.tables = std::move(*tables);
      tables_.insert(tables_.end(), source.tables.begin(), source.tables.end());
      sources_.push_back(std::move(source));
    }
    return {};
  }

  Status verify_sink(const ConfiguredConnector& sink, SinkReport& report) {
    if (sink.spec->make_verifier == nullptr) return cannot(sink);
    auto target = sink.spec->make_verifier(sink.config);
    if (!target) return named(report.sink, std::move(target).error());
    auto filter = make_topic_filter(*sink.spec, sink.config);
    if (!filter) return named(report.sink, std::move(filter).error());
    TaskContext context = context_of(report.sink);
    if (Status known = add_neighbours(sink, **target); !known)
      return named(report.sink, std::move(known).error());
    if (Status opened = (*target)->open(context, tables_for(*filter)); !opened)
      return named(report.sink, std::move(opened).error());
    for (OpenSource& source : sources_) MILLRACE_TRY(verify_tables(source, **target, *filter, report));
    note_why_behind(report);
    return options_.at_once ? finish(**target, report) : Status();
  }

  /// Of what is missing or different the reader should know whether it may still be on its way.
  void note_why_behind(SinkReport& report) const {
    const auto differs = [](const TableReport& one) { return one.missing + one.different > 0; };
    if (std::ranges::none_of(report.tables, differs)) return;
    const std::string why =
        RunningProcess(options_.file).why_behind(report.sink, source_names(), options_.settle_ms);
    if (!why.empty()) report.left.push_back(why + ": what is missing or different may be on its way");
  }

  /// Of a rebuild.
  Status finish(TargetVerifier& target, SinkReport& report) {
    const std::string stays = why_unfinished(report);
    if (!stays.empty()) {
      const std::string what = target.unfinished();
      if (!what.empty()) report.left.push_back("the rebuild is not at its end: " + what + ". " + stays);
      return {};
    }
    auto removed = target.finish(tables_in_step(report), report.left);
    if (!removed) return named(report.sink, std::move(removed).error());
    report.removed = *removed;
    return {};
  }

  /// With what to do.
  [[nodiscard]] std::string why_unfinished(const SinkReport& report) const {
    if (!options_.tables.empty()) return "Rebuild without --table";
    if (in_step(report)) return {};
    const auto only_unwritable = [](const TableReport& one) {
      return !one.skipped.empty() ||
             (one.error.empty() && one.missing + one.different + one.extra + one.unsettled == 0);
    };
    if (!std::ranges::all_of(report.tables, only_unwritable)) return "Rebuild again";
    if (options_.without_unwritable) return {};
    return "Rows cannot be written: mend them at the source or in the settings and rebuild again, or rebuild "
           "with --without-unwritable and miss them";
  }

  [[nodiscard]] std::vector<ScanTable> tables_for(const TopicFilter& filter) const {
    std::vector<ScanTable> out;
    std::ranges::copy_if(tables_, std::back_inserter(out),
                         [&filter](const ScanTable& table) { return filter(table.topic); });
    return out;
  }

  /// Every other sink of its kind in the file.
  Status add_neighbours(const ConfiguredConnector& sink, TargetVerifier& target) const {
    for (const ConfiguredConnector& other : pipeline_.connectors) {
      if (&other == &sink || other.spec != sink.spec) continue;
      auto filter = make_topic_filter(*other.spec, other.config);
      if (!filter) return std::move(filter).error();
      MILLRACE_TRY(target.add_neighbour(other.config, tables_for(*filter)));
    }
    return {};
  }

  /// All; those that were not compared with why.
  [[nodiscard]] std::vector<ScanTable> tables_in_step(const SinkReport& report) const {
    std::vector<ScanTable> out = tables_;
    for (ScanTable& table : out) {
      const auto found = std::ranges::find(report.tables, table.name, &TableReport::table);
      if (found != report.tables.end() && !found->skipped.empty()) table.unfit = found->skipped;
    }
    return out;
  }

  Status verify_tables(OpenSource& source, TargetVerifier& target, const TopicFilter& filter,
                       SinkReport& report) {
    VerifyOptions options;
    options.chunk_rows = options_.chunk_rows;
    options.rows_per_second = options_.rows_per_second;
    options.settle_ms = options_.settle_ms;
    options.max_differences = options_.max_differences;
    options.repair = kinds_of(options_.repair);
    options.at_once = options_.at_once;
    options.why_not_remove = [this, sink = report.sink] {
      return RunningProcess(options_.file).why_behind(sink, source_names(), options_.settle_ms);
    };
    Verifier verifier(*source.scanner, target, options, *source.context);
    for (const ScanTable& table : source.tables) {
      if (!filter(table.topic) || !is_chosen(options_.tables, table.name)) continue;
      const std::string what = report.sink + ": " + table.name;
      auto done = verifier.table(table, [&](std::uint64_t rows) { tell(what, rows, table.estimated_rows); });
      console_.clear_line();
      if (!done && done.error().next != Next::kStop && done.error().next != Next::kReject)
        return named(what, std::move(done).error());
      report.tables.push_back(done ? std::move(*done) : failed(table, done.error()));
    }
    return {};
  }

  /// One table that may not be read is no reason to leave the others out.
  static TableReport failed(const ScanTable& table, const Error& error) {
    TableReport out;
    out.topic = table.topic;
    out.table = table.name;
    out.error = error.message + (error.hint.empty() ? "" : "; " + error.hint);
    return out;
  }

  /// Of --table.
  [[nodiscard]] Status check_tables() const {
    for (const std::string& name : options_.tables) {
      if (std::ranges::find(tables_, name, &ScanTable::name) != tables_.end()) continue;
      std::string known;
      for (const ScanTable& table : tables_) known += (known.empty() ? "" : ", ") + table.name;
      return stop_error("--table: no source captures a table " + name, "there are " + known);
    }
    return {};
  }

  [[nodiscard]] std::vector<std::string> source_names() const {
    std::vector<std::string> out;
    for (const ConfiguredConnector& one : pipeline_.connectors) {
      if (one.spec->is_source()) out.push_back(one.config.connector());
    }
    return out;
  }

  void tell(const std::string& what, std::uint64_t rows, std::int64_t estimated) {
    const std::int64_t now_us = clock_.now_us();
    if (now_us - told_us_ < (console_.is_terminal() ? kTellEveryUs : kTellLogEveryUs)) return;
    told_us_ = now_us;
    std::string line = what + ": " + std::to_string(rows) + " rows";
    if (estimated > 0) line += " of about " + std::to_string(estimated);
    if (console_.is_terminal()) {
      console_.refresh(line);
    } else {
      console_.complain(line);
    }
  }

  const VerifyCommandOptions& options_;
  const Pipeline& pipeline_;
  Console& console_;
  SystemClock clock_;
  Logger logger_;
  Metrics metrics_;
  FailPoints failpoints_;
  std::int64_t told_us_ = 0;
  std::vector<OpenSource> sources_;
  std::vector<ScanTable> tables_;  ///< of all sources
  std::vector<SinkReport> reports_;
};

/// Names that the file has not got.
Status check_names(const VerifyCommandOptions& options, const Pipeline& pipeline) {
  for (const std::string& name : options.sinks) {
    const auto found = std::ranges::find_if(
        pipeline.connectors, [&](const ConfiguredConnector& one) { return one.config.connector() == name; });
    if (found == pipeline.connectors.end()) return stop_error("the file has no connector " + name);
    if (found->spec->is_source()) return stop_error(name + " is a source; name the sinks to verify");
  }
  return {};
}

}  // namespace

ExitCode verify_command(const VerifyCommandOptions& options, Specs specs, Console& console) {
  const auto pipeline = load_pipeline(options.file, specs);
  if (!pipeline) {
    console.complain(pipeline.error().message);
    return ExitCode::kUsage;
  }
  if (const Status known = check_names(options, *pipeline); !known) {
    console.complain(known.error());
    return ExitCode::kUsage;
  }
  Verification verification(options, *pipeline, console);
  const Status done = verification.run();
  const std::vector<SinkReport>& reports = verification.reports();
  console.print(options.json ? verify_json(reports) : verify_text(reports));
  if (!done) {
    console.complain(done.error());
    return ExitCode::kCheckFailed;
  }
  if (!compared_any(reports)) {
    console.complain(
        "nothing was compared: no table of a source goes to a sink of this file, or none can be compared");
    return ExitCode::kCheckFailed;
  }
  if (!compared_all(reports)) return ExitCode::kCheckFailed;
  return in_step(reports) ? ExitCode::kOk : ExitCode::kFailed;
}

}  // namespace millrace
