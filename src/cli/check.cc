#include "cli/check.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/text.h"
#include "cli/commands.h"
#include "control/json_builder.h"
#include "control/status_json.h"
#include "http/socket.h"

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
  std::error_code error;
  // The folder may not be there yet: its room is that of the nearest one that is.
  std::filesystem::path at = std::filesystem::absolute(dir, error);
  while (!error && !std::filesystem::exists(at, error) && at.has_relative_path()) at = at.parent_path();
  if (!error && ::access(at.c_str(), W_OK) != 0) {
    return {Level::kError, "disk", "cannot write to " + at.string() + ", where log.dir is to be",
            "set log.dir to a folder that this user may write to"};
  }
  const auto space = std::filesystem::space(at, error);
  if (error)
    return {Level::kError, "disk", "cannot look at " + dir + ": " + error.message(),
            "set log.dir to a folder"};
  const std::string room = human_bytes(space.available) + " free at " + dir;
  if (space.available < kLittleRoom)
    return {Level::kWarning, "disk", "only " + room, "make room or set log.dir elsewhere"};
  return {Level::kOk, "disk", room, ""};
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
  // Taken perhaps by this very pipeline, which runs already.
  if (!listening) return {Level::kWarning, "http.listen", listening.error().message, listening.error().hint};
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

}  // namespace

std::vector<Checked> check_pipeline(const Pipeline& pipeline) {
  std::vector<Checked> out;
  out.push_back({"log", check_log(pipeline)});
  out.push_back({"http", check_http(pipeline)});
  for (const ConfiguredConnector& one : pipeline.connectors) {
    if (one.spec->check == nullptr) continue;
    const Redactor redactor(one.config.secrets());
    for (Finding& finding : one.spec->check(one.config)) {
      finding.message = redactor.clean(std::move(finding.message));
      finding.fix = redactor.clean(std::move(finding.fix));
      out.push_back({one.config.connector(), std::move(finding)});
    }
  }
  if (pipeline.connectors.empty()) {
    out.push_back({"file", {Level::kWarning, "connectors", "there are none: nothing is captured", ""}});
  }
  check_topics(pipeline, out);
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
