#include "base/failpoint.h"

#include <csignal>
#include <optional>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::string_view kForm = "expected name=kill@N or name=error@N, several joined by commas";

}  // namespace

Status FailPoints::parse(std::string_view text, FailPoints& out) {
  for (const std::string& item : split_list(text)) {
    const std::size_t equals = item.find('=');
    const std::size_t at = item.find('@');
    if (equals == std::string::npos || equals == 0) {
      return stop_error("failpoint `" + item + "` is not understood", std::string(kForm));
    }
    const std::string action = item.substr(equals + 1, at == std::string::npos ? at : at - equals - 1);
    if (action != "kill" && action != "error") {
      return stop_error("failpoint `" + item + "` asks for `" + action + "`", std::string(kForm));
    }
    Point point;
    point.kill = action == "kill";
    if (at != std::string::npos) {
      const std::optional<std::uint64_t> count = parse_uint64(item.substr(at + 1));
      if (!count || *count == 0) {
        return stop_error("failpoint `" + item + "` has no passing number behind @", std::string(kForm));
      }
      point.at = *count;
    }
    const std::lock_guard lock(out.mutex_);
    out.points_[item.substr(0, equals)] = point;
    out.armed_ = true;
  }
  return {};
}

Status FailPoints::pass_armed(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = points_.find(name);
  if (found == points_.end() || ++found->second.passed != found->second.at) return {};
  if (found->second.kill) std::raise(SIGKILL);
  return reconnect_error("failpoint " + std::string(name) + " was told to fail");
}

}  // namespace millrace
