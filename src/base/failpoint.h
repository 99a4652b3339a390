#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Named places where a test makes the program die or a call fail. Set once at start from MILLRACE_FAILPOINTS, e.g.
/// `log.after_append=kill@3,redis.after_write=error@1`: at the n-th passing the process kills itself with SIGKILL, or
/// the call answers with a reconnect error. Without settings a passing costs one branch. Thread-safe.
class FailPoints {
 public:
  FailPoints() = default;

  /// Parses a setting such as the above; an unknown form is an error that shows the right one.
  [[nodiscard]] static Status parse(std::string_view text, FailPoints& out);

  /// Call at the place called `name`.
  [[nodiscard]] Status pass(std::string_view name) {
    if (!armed_) return {};
    return pass_armed(name);
  }

 private:
  struct Point {
    bool kill = false;
    unsigned long at = 1;
    unsigned long passed = 0;
  };
  [[nodiscard]] Status pass_armed(std::string_view name);

  bool armed_ = false;
  std::mutex mutex_;
  std::map<std::string, Point, std::less<>> points_;
};

}  // namespace millrace
