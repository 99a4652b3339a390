// The one file that knows CLI11.
#include "cli/app.h"

#include <CLI/CLI.hpp>

#include <array>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/version.h"
#include "connect/fault.h"

namespace millrace {
namespace {

constexpr const char* kExitCodes = R"(Exit codes:
  0  all went well; also after a stop by SIGINT or SIGTERM
  1  something failed while running, or a connector of a stopped run had failed; verify, rebuild: rows differ
  2  wrong usage, or a pipeline file with faults
  3  check found errors; run: no connector can start, or its log or address cannot be used; verify, rebuild: it
     could not look
  4  no running process answers
)";

/// The command that was chosen, bound to its options.
using Chosen = std::function<ExitCode(Console&)>;

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& what,
                      const std::string& examples) {
  CLI::App* command = app.add_subcommand(name, what);
  command->footer("Examples:\n" + examples);
  return command;
}

void add_remote(CLI::App& command, RemoteOptions& options) {
  auto* url =
      command.add_option("--url", options.url, "Address of the running process (http://127.0.0.1:8083)");
  command.add_option("--file", options.file, "Pipeline file whose http.listen is used instead")
      ->excludes(url);
}

/// The value of an option, or else of the environment's variable, by its name in any case. What is not known
/// is told with the name of the one that it came from.
template <typename T>
void choose(const char* option, const char* variable, const std::string& given,
            const std::vector<std::pair<std::string_view, T>>& known, T& out) {
  const char* const other = given.empty() ? std::getenv(variable) : nullptr;
  const std::string text = other == nullptr ? given : other;
  if (text.empty()) return;
  const std::string lower = CLI::detail::to_lower(text);
  std::string names;
  for (const auto& [name, value] : known) {
    if (name == lower) {
      out = value;
      return;
    }
    names += (names.empty() ? "" : ", ") + std::string(name);
  }
  throw CLI::ValidationError(other == nullptr ? option : variable,
                             "'" + printable(text, 40) + "' is none of " + names);
}

void add_run(CLI::App& app, Specs specs, Chosen& chosen) {
  auto* command =
      add_command(app, "run", "Run a pipeline until SIGINT or SIGTERM",
                  "  millrace run pipeline.yaml\n  millrace run pipeline.yaml --log-format json\n");
  const auto options = std::make_shared<RunOptions>();
  command->add_option("FILE", options->file, "Pipeline file")->required();
  const auto level = std::make_shared<std::string>();
  const auto format = std::make_shared<std::string>();
  command
      ->add_option("--log-level", *level,
                   "Lines below it are not written: debug, info, warn, error; or MILLRACE_LOG_LEVEL")
      ->type_name("LEVEL");
  command
      ->add_option("--log-format", *format,
                   "Form of the lines on standard error: text or json; or MILLRACE_LOG_FORMAT")
      ->type_name("FORMAT");
  command->callback([options, level, format, specs, &chosen] {
    choose<LogLevel>("--log-level", "MILLRACE_LOG_LEVEL", *level,
                     {{"debug", LogLevel::kDebug},
                      {"info", LogLevel::kInfo},
                      {"warn", LogLevel::kWarn},
                      {"error", LogLevel::kError}},
                     options->log_level);
    choose<LogFormat>("--log-format", "MILLRACE_LOG_FORMAT", *format,
                      {{"text", LogFormat::kText}, {"json", LogFormat::kJson}}, options->log_format);
    chosen = [options, specs](Console& console) { return run_command(*options, specs, console); };
  });
}

void add_check(CLI::App& app, Specs specs, Chosen& chosen) {
  auto* command = add_command(app, "check", "Look at everything a pipeline needs, changing nothing",
                              "  millrace check pipeline.yaml\n  millrace check pipeline.yaml --json\n");
  const auto options = std::make_shared<CheckOptions>();
  command->add_option("FILE", options->file, "Pipeline file")->required();
  command->add_flag("--json", options->json, "For scripts");
  command->callback([options, specs, &chosen] {
    chosen = [options, specs](Console& console) { return check_command(*options, specs, console); };
  });
}

/// What `verify` and `rebuild` have in common.
void add_comparison(CLI::App& command, VerifyCommandOptions& options) {
  command.add_option("FILE", options.file, "Pipeline file")->required();
  command.add_option("SINK", options.sinks, "Sinks to look at; all by default");
  command.add_option("--table", options.tables, "Tables to compare, e.g. public.flights; all by default");
  command
      .add_option("--rows-per-second", options.rows_per_second, "Read no more from the source; 0: no limit")
      ->check(CLI::NonNegativeNumber);
  command
      .add_option("--settle-ms", options.settle_ms,
                  "How long a row that differs may take to fall in step (10000)")
      ->check(CLI::Range(100, 3'600'000));
  command.add_option("--chunk-rows", options.chunk_rows, "Rows read in one statement (5000)")
      ->check(CLI::Range(1, 100'000));
  command.add_option("--max-differences", options.max_differences,
                     "Listed for a table (1000); all are counted");
  command.add_flag("--json", options.json, "For scripts");
}

void add_verify(CLI::App& app, Specs specs, Chosen& chosen) {
  auto* command = add_command(
      app, "verify", "Compare what targets hold with the tables they come from, while changes flow",
      "  millrace verify pipeline.yaml\n  millrace verify pipeline.yaml cache --table public.flights --json\n"
      "  millrace verify pipeline.yaml --repair missing,different,extra\n");
  const auto options = std::make_shared<VerifyCommandOptions>();
  add_comparison(*command, *options);
  command
      ->add_option("--repair", options->repair,
                   "Mend what is missing, different (write the row again) or extra (remove it)")
      ->delimiter(',')
      ->check(CLI::IsMember({"missing", "different", "extra"}));
  command->callback([options, specs, &chosen] {
    chosen = [options, specs](Console& console) { return verify_command(*options, specs, console); };
  });
}

void add_rebuild(CLI::App& app, Specs specs, Chosen& chosen) {
  auto* command = add_command(
      app, "rebuild", "Write anew in targets what is not as the tables say, and remove what has no row",
      "  millrace rebuild pipeline.yaml\n  millrace rebuild pipeline.yaml cache --rows-per-second 20000\n");
  const auto options = std::make_shared<VerifyCommandOptions>();
  options->repair = {"missing", "different", "extra"};
  options->at_once = true;
  add_comparison(*command, *options);
  command->add_flag("--without-unwritable", options->without_unwritable,
                    "Change indexes over and remove what earlier settings wrote also when rows are left that "
                    "cannot be written");
  command->callback([options, specs, &chosen] {
    chosen = [options, specs](Console& console) { return verify_command(*options, specs, console); };
  });
}

void add_status(CLI::App& app, Chosen& chosen) {
  auto* command = add_command(app, "status", "Show how the connectors of the running process are",
                              "  millrace status\n  millrace status --watch\n"
                              "  millrace status --file pipeline.yaml --json\n");
  const auto options = std::make_shared<StatusOptions>();
  add_remote(*command, options->remote);
  command->add_flag("--json", options->json, "For scripts");
  command->add_flag("-w,--watch", options->watch, "Again every second, until Ctrl-C");
  command->callback([options, &chosen] {
    chosen = [options](Console& console) { return status_command(*options, console); };
  });
}

void add_topics(CLI::App& app, Chosen& chosen) {
  auto* command = add_command(app, "topics", "List the topics in the log",
                              "  millrace topics\n  millrace topics --json --url http://127.0.0.1:8083\n");
  const auto options = std::make_shared<TopicsOptions>();
  add_remote(*command, options->remote);
  command->add_flag("--json", options->json, "For scripts");
  command->callback([options, &chosen] {
    chosen = [options](Console& console) { return topics_command(*options, console); };
  });
}

void add_consume(CLI::App& app, Chosen& chosen) {
  auto* command =
      add_command(app, "consume", "Print the rows of a topic, a JSON text a line",
                  "  millrace consume shop.public.flights --limit 10\n"
                  "  millrace consume shop.public.flights --from latest --follow\n"
                  "  millrace consume shop.public.flights --from 2026-05-01T12:00:00Z --format debezium\n");
  const auto options = std::make_shared<ConsumeOptions>();
  command->add_option("TOPIC", options->topic, "Topic, as `millrace topics` lists it")->required();
  command
      ->add_option(
          "--from", options->from,
          "Where to begin: earliest, latest, an offset, a time (2026-05-01T12:00:00Z) or milliseconds since "
          "1970 (numbers from 10^12 on). A time is that at which the rows came here, by this machine's clock")
      ->capture_default_str();
  command->add_flag("-f,--follow", options->follow, "Go on with rows as they come, until Ctrl-C");
  command->add_option("-n,--limit", options->limit, "End after so many rows")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}));
  command->add_option("--format", options->format, "json or debezium")
      ->check(CLI::IsMember({"json", "debezium"}))
      ->capture_default_str();
  add_remote(*command, options->remote);
  command->callback([options, &chosen] {
    chosen = [options](Console& console) { return consume_command(*options, console); };
  });
}

void add_dead_letters(CLI::App& app, Chosen& chosen) {
  auto* command = add_command(app, "dead-letters", "Show, send again or drop the rows a sink could not apply",
                              "  millrace dead-letters cache --groups\n  millrace dead-letters cache --id 7\n"
                              "  millrace dead-letters cache replay --error 'a key of another type'\n"
                              "  millrace dead-letters cache replay --id 7 --edit row.json\n"
                              "  millrace dead-letters cache drop --topic shop.public.t\n"
                              "  millrace dead-letters cache --state all --export letters.ndjson\n");
  const auto options = std::make_shared<DeadLettersOptions>();
  command->add_option("CONNECTOR", options->connector, "Name of a sink")->required();
  command->add_option("ACTION", options->action, "replay: send again, in order; drop: give up")
      ->check(CLI::IsMember({"replay", "drop"}));
  command->add_option("--id", options->ids, "This one; may be given more than once. Alone: all about it");
  command->add_option("--error", options->error, "Those whose error has this in it, whatever the numbers");
  command->add_option("--topic", options->topic, "Those of this topic");
  command->add_option("--output", options->output, "Those of this output of the sink");
  command->add_flag("--all", options->all, "All that are open");
  command->add_option("--edit", options->edit_file,
                      "File with a JSON object, column to value, to send in place of the row's own values");
  command->add_flag("--force", options->force,
                    "Send also over later changes of the same key, or where that cannot be told");
  command->add_option("--state", options->state, "open, all, parked, failed, done, dropped or superseded")
      ->check(CLI::IsMember({"open", "all", "parked", "failed", "done", "dropped", "superseded"}))
      ->capture_default_str();
  command->add_flag("--groups", options->groups, "Count them by topic and error");
  command->add_option("--export", options->export_file,
                      "Write them with rows and history, a JSON text a line, to this file (- is the screen)");
  command->add_option("--from", options->from, "First id")->capture_default_str();
  command->add_option("-n,--limit", options->limit, "List at most so many, 1000 at once")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_flag("--json", options->json, "For scripts");
  add_remote(*command, options->remote);
  command->callback([options, &chosen] {
    chosen = [options](Console& console) { return dead_letters_command(*options, console); };
  });
}

void add_steering(CLI::App& app, Chosen& chosen) {
  static constexpr std::array<std::array<const char*, 3>, 5> kActions = {{
      {"pause", "Stop a connector until `resume`", "CONNECTOR"},
      {"resume", "Let a paused connector go on", "CONNECTOR"},
      {"restart", "Stop a connector and start it again, a failed one too", "CONNECTOR"},
      {"reset",
       "Let a connector begin anew: a source with its first snapshot, a sink from the log's oldest rows",
       "CONNECTOR"},
      {"forget", "Let go what the log keeps for a sink that is no more in the pipeline", "SINK"},
  }};
  for (const auto& [action, about, what] : kActions) {
    auto* command = add_command(app, action, about, std::string("  millrace ") + action + " cache\n");
    const auto options = std::make_shared<SteerOptions>();
    options->action = action;
    command->add_option(what, options->name, "Its name in the pipeline file")->required();
    add_remote(*command, options->remote);
    command->callback([options, &chosen] {
      chosen = [options](Console& console) { return steer_command(*options, console); };
    });
  }
}

void add_explain(CLI::App& app, Specs specs, Chosen& chosen) {
  auto* command = add_command(app, "explain", "Say what an option means, what it expects and its default",
                              "  millrace explain snapshot.mode\n  millrace explain indexes.flights.prefix\n"
                              "  millrace explain 'slot.*' --kind postgres\n  millrace explain\n");
  const auto options = std::make_shared<ExplainOptions>();
  command->add_option("OPTION", options->option, "Its name; without one all are listed");
  command->add_option("--kind", options->kind, "Only of this kind of connector, or `file`");
  command->callback([options, specs, &chosen] {
    chosen = [options, specs](Console& console) { return explain_command(*options, specs, console); };
  });
}

void add_docs(CLI::App& app, Specs specs, Chosen& chosen) {
  auto* command =
      add_command(app, "docs", "Write the pages on all options", "  millrace docs --out docs/connectors\n");
  const auto options = std::make_shared<DocsOptions>();
  command->add_option("--out", options->out, "Folder")->required();
  command->add_flag("--check", options->check, "Write nothing; fail when a page is not up to date");
  command->callback([options, specs, &chosen] {
    chosen = [options, specs](Console& console) { return docs_command(*options, specs, console); };
  });
}

}  // namespace

int run_app(int argc, const char* const* argv, std::span<const ConnectorSpec* const> specs) {
  // A reader that goes away is seen by its write failing, also on sockets.
  std::signal(SIGPIPE, SIG_IGN);
  const std::string version = "millrace " + std::string(program_version());
  CLI::App app("Captures the changes of databases and keeps other systems in step.", "millrace");
  app.set_version_flag("--version", version);
  app.require_subcommand(1);
  app.footer(kExitCodes);
  Chosen chosen;
  add_run(app, specs, chosen);
  add_check(app, specs, chosen);
  add_verify(app, specs, chosen);
  add_rebuild(app, specs, chosen);
  add_status(app, chosen);
  add_topics(app, chosen);
  add_consume(app, chosen);
  add_dead_letters(app, chosen);
  add_steering(app, chosen);
  add_explain(app, specs, chosen);
  add_docs(app, specs, chosen);
  app.add_subcommand("version", "Print the version")->callback([&chosen, version] {
    chosen = [version](Console& console) {
      console.print(version + "\n");
      return ExitCode::kOk;
    };
  });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? static_cast<int>(ExitCode::kOk) : static_cast<int>(ExitCode::kUsage);
  }
  Console console;
  return static_cast<int>(chosen(console));
}

}  // namespace millrace
