#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

/// Named places where a test makes the program die or a call fail. Set once at start from
/// MILLRACE_FAILPOINTS, e.g. `log.after_append=kill@3,redis.after_write=error@1,log.append=sleep:200@2`: at
/// the n-th passing (the first when no
/// `@n` is given), and only then, the process kills itself with SIGKILL, the call answers with a reconnect
/// error, or it waits that many milliseconds. A name may be given more than once. Without settings a passing
/// costs one branch. Thread-safe.
class FailPoints {
 public:
  FailPoints() = default;

  /// Adds what a setting such as the above asks for to `out`; an unknown form is an error that shows the
  /// right one and leaves `out` as it was. Call it before `out` is shared.
  [[nodiscard]] static Status parse(std::string_view text, FailPoints& out);

  /// Call at the place called `name`.
  [[nodiscard]] Status pass(std::string_view name) {
    if (!armed_) return {};
    return pass_armed(name);
  }

 private:
  enum class Action : unsigned char { kKill, kError, kSleep };
  struct Point {
    Action action = Action::kError;
    std::int64_t sleep_ms = 0;
    std::uint64_t at = 1;
    std::uint64_t passed = 0;
  };
  [[nodiscard]] static bool parse_point(std::string_view text, Point& out);
  [[nodiscard]] Status pass_armed(std::string_view name);

  bool armed_ = false;
  std::mutex mutex_;
  std::map<std::string, std::vector<Point>, std::less<>> points_;
};

}  // namespace millrace
