#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/logging.h"
#include "cli/console.h"
#include "cli/exit_code.h"
#include "cli/remote.h"
#include "connect/spec.h"

namespace millrace {

/// One function a command; app.cc maps the command line to them.

using Specs = std::span<const ConnectorSpec* const>;

struct RunOptions {
  std::string file;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
};
/// Runs until a signal comes.
[[nodiscard]] ExitCode run_command(const RunOptions& options, Specs specs, Console& console);

struct CheckOptions {
  std::string file;
  bool json = false;
};
[[nodiscard]] ExitCode check_command(const CheckOptions& options, Specs specs, Console& console);

struct VerifyCommandOptions {
  std::string file;
  std::vector<std::string> sinks;   ///< none: all
  std::vector<std::string> tables;  ///< none: all
  std::vector<std::string> repair;  ///< missing, different, extra
  std::int64_t rows_per_second = 0;
  std::int64_t settle_ms = 10'000;
  std::uint64_t chunk_rows = 5'000;
  std::uint64_t max_differences = 1'000;
  bool at_once = false;             ///< mend without waiting whether rows fall in step by themselves
  bool without_unwritable = false;  ///< a rebuild ends also when some rows cannot be written
  bool json = false;
};
/// Compares what the sinks' targets hold with the sources' tables, and mends what is to be mended.
[[nodiscard]] ExitCode verify_command(const VerifyCommandOptions& options, Specs specs, Console& console);

struct StatusOptions {
  RemoteOptions remote;
  bool json = false;
  bool watch = false;
};
[[nodiscard]] ExitCode status_command(const StatusOptions& options, Console& console);

struct TopicsOptions {
  RemoteOptions remote;
  bool json = false;
};
[[nodiscard]] ExitCode topics_command(const TopicsOptions& options, Console& console);

struct ConsumeOptions {
  RemoteOptions remote;
  std::string topic;
  std::string from = "earliest";
  std::string format = "json";
  std::uint64_t limit = 0;  ///< 0: no limit
  bool follow = false;
};
[[nodiscard]] ExitCode consume_command(const ConsumeOptions& options, Console& console);

struct DeadLettersOptions {
  RemoteOptions remote;
  std::string connector;
  std::string action;  ///< `replay`, `drop`, or empty: they are only shown
  std::vector<std::uint64_t> ids;
  std::string error;
  std::string topic;
  std::string output;
  bool all = false;
  std::string edit_file;
  bool force = false;
  std::string state = "open";
  bool groups = false;
  std::string export_file;  ///< `-` is standard output
  std::uint64_t from = 0;
  std::uint64_t limit = 100;
  bool json = false;
};
[[nodiscard]] ExitCode dead_letters_command(const DeadLettersOptions& options, Console& console);

/// `pause`, `resume`, `restart` or `reset` of a connector, `forget` of a sink that the pipeline has no more.
struct SteerOptions {
  RemoteOptions remote;
  std::string action;
  std::string name;
};
[[nodiscard]] ExitCode steer_command(const SteerOptions& options, Console& console);

struct ExplainOptions {
  std::string option;  ///< empty: all of them
  std::string kind;    ///< empty: of every kind, and of the pipeline file
};
[[nodiscard]] ExitCode explain_command(const ExplainOptions& options, Specs specs, Console& console);

struct DocsOptions {
  std::string out;
  bool check = false;  ///< only say whether the pages there are right
};
[[nodiscard]] ExitCode docs_command(const DocsOptions& options, Specs specs, Console& console);

}  // namespace millrace
