#include "cli/running_process.h"

#include <algorithm>

#include "cli/remote.h"
#include "cli/views.h"

namespace millrace {
namespace {

constexpr std::int64_t kTimeoutMs = 2'000;

}  // namespace

std::string RunningProcess::why_behind(const std::string& sink, const std::vector<std::string>& sources,
                                       std::int64_t within_ms) const {
  const auto address = remote_address({.url = {}, .file = file_});
  if (!address) return {};
  const auto answer = HttpClient(*address).get("/api/v1/status", kTimeoutMs);
  if (!answer || answer->status != 200) return {};
  const auto connectors = parse_status(answer->body);
  if (!connectors) return {};
  for (const ConnectorView& one : *connectors) {
    if (one.name != sink && std::ranges::find(sources, one.name) == sources.end()) continue;
    if (one.state != "running") return one.name + " is " + one.state;
    if (one.lag_ms < 0 || one.lag_ms > within_ms) return one.name + " is behind";
  }
  return {};
}

}  // namespace millrace
