#include "cli/check.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "cli/commands.h"
#include "control/json_builder.h"
#include "control/status_json.h"
#include "http/socket.h"
#include "log/rocks/rocks_log.h"
#include "runtime/topic_filter.h"

namespace millrace {
namespace {

using Level = Finding::Level;

constexpr std::uint64_t kLittleRoom = 1ULL << 30U;

std::string_view level_name(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      break;
  }
  return "error";
}

Finding check_log(const Pipeline& pipeline) {
  if (pipeline.global.text("log.kind") == "memory") {
    return {Level::kWarning, "log", "log.kind is memory: everything is forgotten when the program ends", ""};
  }
  const std::string dir = pipeline.log_dir();
  const auto unusable = [](const std::string& why) {
    return Finding{Level::kError, "disk", why, "set log.dir to a folder that this user may write to"};
  };
  std::error_code error;
  // The folder may not be there yet: its room is that of the nearest one that is.
  std::filesystem::path at = std::filesystem::absolute(dir, error);
  while (!error && !std::filesystem::exists(at, error) && at.has_relative_path()) at = at.parent_path();
  if (!error && !std::filesystem::is_directory(at, error))
    return unusable(at.string() + " is no folder, and log.dir is to be there");
  if (!error && ::access(at.c_str(), W_OK | X_OK) != 0)
    return unusable("cannot write to " + at.string() + ", where log.dir is to be");
  const auto space = std::filesystem::space(at, error);
  if (error)
    return {Level::kError, "disk", "cannot look at " + dir + ": " + error.message(),
            "set log.dir to a folder"};
  // Such as /proc: it takes no files at all.
  if (space.capacity == 0)
    return unusable("no files can be made in " + at.string() + ", where log.dir is to be");
  const std::string room = human_bytes(space.available) + " free at " + dir;
  if (space.available < kLittleRoom)
    return {Level::kWarning, "disk", "only " + room, "make room or set log.dir elsewhere"};
  return {Level::kOk, "disk", room, ""};
}

/// The process that has the pipeline's log open.
std::optional<std::uint64_t> running_process(const Pipeline& pipeline) {
  if (pipeline.global.text("log.kind") == "memory") return std::nullopt;
  return rocks_log_holder(pipeline.log_dir());
}

std::string process_name(std::uint64_t pid) {
  return pid == 0 ? std::string("another process") : "process " + std::to_string(pid);
}

Finding check_http(const Pipeline& pipeline) {
  const std::string& listen = pipeline.global.text("http.listen");
  const auto address = parse_host_port(listen);
  if (!address) return {Level::kError, "http.listen", address.error().message, ""};
  if (!is_loopback_host(address->host) && !pipeline.global.boolean("http.allow.remote")) {
    return {Level::kError, "http.listen",
            "other machines may reach " + address->host + ", and there are no passwords",
            "listen on 127.0.0.1, or set http.allow.remote: true"};
  }
  const auto listening = listen_on(*address);
  if (!listening) {
    return {.level = Level::kWarning,
            .subject = "http.listen",
            .message = listening.error().message,
            .fix = listening.error().hint,
            .by_own_process = true};
  }
  return {Level::kOk, "http.listen", listen, ""};
}

/// Topics that the sources of the file will make, as far as their own checks have found their tables. Nothing
/// when they list none that is well: they are away, or have more than they list.
std::vector<std::string> topics_made(const Pipeline& pipeline, const std::vector<Checked>& findings) {
  constexpr std::string_view kTable = "table ";
  std::vector<std::string> out;
  bool listed = false;
  for (const ConfiguredConnector& one : pipeline.connectors) {
    if (!one.spec->is_source()) continue;
    for (const Checked& found : findings) {
      if (found.owner != one.config.connector() || !found.finding.subject.starts_with(kTable)) continue;
      out.push_back(one.config.text("topic.prefix") + "." + found.finding.subject.substr(kTable.size()));
      listed = listed || found.finding.level == Level::kOk;
    }
  }
  if (!listed) out.clear();
  return out;
}

/// A sink may wait for a table that is made later, so a topic nobody makes is no error. But mostly it is a
/// slip.
void check_topics(const Pipeline& pipeline, std::vector<Checked>& findings) {
  const std::vector<std::string> made = topics_made(pipeline, findings);
  if (made.empty()) return;
  const std::vector<std::string_view> known(made.begin(), made.end());
  for (const ConfiguredConnector& one : pipeline.connectors) {
    if (one.spec->is_source() || !one.config.has("topics")) continue;
    for (const std::string& topic : one.config.list("topics")) {
      if (std::ranges::find(made, topic) != made.end()) continue;
      const std::string_view near = nearest_name(topic, known);
      findings.push_back({one.config.connector(),
                          {Level::kWarning, "topic " + topic, "no source of this file makes it now",
                           near.empty() ? "" : "did you mean " + std::string(near) + "?"}});
    }
  }
}

void add_finding(const ConfiguredConnector& one, Finding finding, std::vector<Checked>& out) {
  const Redactor redactor(one.config.secrets());
  finding.message = redactor.clean(std::move(finding.message));
  finding.fix = redactor.clean(std::move(finding.fix));
  out.push_back({one.config.connector(), std::move(finding)});
}

/// What all sources capture. A list that cannot be had is a warning: nothing was held against it.
std::vector<ScanTable> list_tables(const Pipeline& pipeline, std::vector<Checked>& findings) {
  std::vector<ScanTable> out;
  for (const ConfiguredConnector& one : pipeline.connectors) {
    if (!one.spec->is_source() || one.spec->list_tables == nullptr) continue;
    const bool away = std::ranges::any_of(findings, [&](const Checked& found) {
      return found.owner == one.config.connector() && found.finding.may_heal;
    });
    auto tables = away ? Result<std::vector<ScanTable>>(retry_error("the server cannot be asked"))
                       : one.spec->list_tables(one.config);
    if (tables) {
      std::ranges::move(*tables, std::back_inserter(out));
      continue;
    }
    add_finding(one,
                {Level::kWarning, "columns",
                 "not known, so no template, field or index of the sinks was held against them: " +
                     tables.error().message,
                 ""},
                findings);
  }
  return out;
}

/// The sinks' templates, fields and indexes against the tables that go there.
void check_tables(const Pipeline& pipeline, std::vector<Checked>& findings) {
  const auto looks = [](const ConfiguredConnector& one) { return one.spec->check_tables != nullptr; };
  if (std::ranges::none_of(pipeline.connectors, looks)) return;
  const std::vector<ScanTable> all = list_tables(pipeline, findings);
  for (const ConfiguredConnector& one : pipeline.connectors) {
    if (!looks(one)) continue;
    auto filter = make_topic_filter(*one.spec, one.config);
    if (!filter) continue;  // told by the sink's own check
    std::vector<ScanTable> tables;
    std::ranges::copy_if(all, std::back_inserter(tables),
                         [&](const ScanTable& table) { return (*filter)(table.topic); });
    for (Finding& finding : one.spec->check_tables(one.config, tables))
      add_finding(one, std::move(finding), findings);
  }
}

}  // namespace

std::vector<Checked> check_pipeline(const Pipeline& pipeline) {
  std::vector<Checked> out;
  const auto running = running_process(pipeline);
  if (running) {
    out.push_back(
        {"log",
         {Level::kOk, "running",
          process_name(*running) + " runs it: the log, its address and its slots " + "are in use by that",
          ""}});
  }
  out.push_back({"log", check_log(pipeline)});
  out.push_back({"http", check_http(pipeline)});
  for (const ConfiguredConnector& one : pipeline.connectors) {
    if (one.spec->check == nullptr) continue;
    for (Finding& finding : one.spec->check(one.config)) add_finding(one, std::move(finding), out);
  }
  if (pipeline.connectors.empty()) {
    out.push_back({"file", {Level::kWarning, "connectors", "there are none: nothing is captured", ""}});
  }
  if (running) std::erase_if(out, [](const Checked& one) { return one.finding.by_own_process; });
  check_topics(pipeline, out);
  check_tables(pipeline, out);
  return out;
}

std::string findings_text(const std::vector<Checked>& findings, bool with_ok) {
  std::size_t width = 0;
  for (const Checked& one : findings) width = std::max(width, one.owner.size());
  std::string out;
  for (const auto& [owner, finding] : findings) {
    if (finding.level == Level::kOk && !with_ok) continue;
    std::string level(level_name(finding.level));
    level.resize(8, ' ');
    out += level + owner + std::string(width - owner.size() + 2, ' ') + printable(finding.subject, 200);
    if (!finding.message.empty()) out += ": " + printable(finding.message, 2000);
    out += '\n';
    if (!finding.fix.empty())
      out += std::string(8 + width + 2, ' ') + "fix: " + printable(finding.fix, 2000) + "\n";
  }
  return out;
}

std::string findings_json(const std::vector<Checked>& findings) {
  JsonBuilder json;
  json.begin_object().key("ok").boolean(!has_error(findings)).key("findings").begin_array();
  for (const auto& [owner, finding] : findings) {
    json.begin_object();
    json.key("owner").text(owner);
    json.key("level").text(level_name(finding.level));
    json.key("subject").text(finding.subject);
    json.key("message").text(finding.message);
    json.key("fix").text(finding.fix);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

bool has_error(const std::vector<Checked>& findings) {
  return std::ranges::any_of(findings, [](const Checked& one) { return one.finding.level == Level::kError; });
}

ExitCode check_command(const CheckOptions& options, Specs specs, Console& console) {
  const auto pipeline = load_pipeline(options.file, specs);
  if (!pipeline) {
    console.complain(pipeline.error().message);
    return ExitCode::kUsage;
  }
  const std::vector<Checked> findings = check_pipeline(*pipeline);
  console.print(options.json ? findings_json(findings) : findings_text(findings, true));
  return has_error(findings) ? ExitCode::kCheckFailed : ExitCode::kOk;
}

}  // namespace millrace
