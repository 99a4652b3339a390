#include "base/failpoint.h"

#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::int64_t kLongestSleepMs = 600'000;

Error bad_form(std::string_view item) {
  return stop_error("failpoint '" + std::string(item) + "' cannot be read",
                    "write name=kill@n, name=error@n or name=sleep:<ms>@n, several with commas between");
}

}  // namespace

bool FailPoints::parse_point(std::string_view text, Point& out) {
  if (const std::size_t at = text.find('@'); at != std::string_view::npos) {
    const auto number = parse_uint64(text.substr(at + 1));
    if (!number || *number == 0) return false;
    out.at = *number;
    text = text.substr(0, at);
  }
  constexpr std::string_view kSleep = "sleep:";
  if (text == "kill") {
    out.action = Action::kKill;
  } else if (text == "error") {
    out.action = Action::kError;
  } else if (text.starts_with(kSleep)) {
    const auto sleep_ms = parse_int64(text.substr(kSleep.size()));
    if (!sleep_ms || *sleep_ms < 0 || *sleep_ms > kLongestSleepMs) return false;
    out.action = Action::kSleep;
    out.sleep_ms = *sleep_ms;
  } else {
    return false;
  }
  return true;
}

Status FailPoints::parse(std::string_view text, FailPoints& out) {
  std::vector<std::pair<std::string, Point>> parsed;
  for (const std::string& item : split_list(text)) {
    const std::size_t equals = item.find('=');
    Point point;
    if (equals == std::string::npos || equals == 0 ||
        !parse_point(std::string_view(item).substr(equals + 1), point)) {
      return bad_form(item);
    }
    parsed.emplace_back(item.substr(0, equals), point);
  }
  for (auto& [name, point] : parsed) out.points_[std::move(name)].push_back(point);
  out.armed_ = !out.points_.empty();
  return {};
}

Status FailPoints::pass_armed(std::string_view name) {
  bool kill = false;
  bool fail = false;
  std::int64_t sleep_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto found = points_.find(name);
    if (found == points_.end()) return {};
    for (Point& point : found->second) {
      if (++point.passed != point.at) continue;
      kill = kill || point.action == Action::kKill;
      fail = fail || point.action == Action::kError;
      sleep_ms += point.sleep_ms;
    }
  }
  // Outside the lock: a waiting thread must not hold up the others' failpoints.
  if (sleep_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(sleep_ms));
  if (kill) static_cast<void>(std::raise(SIGKILL));
  if (fail) return reconnect_error("failpoint " + std::string(name) + " was told to fail");
  return {};
}

}  // namespace millrace
