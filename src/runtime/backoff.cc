#include "runtime/backoff.h"

#include <algorithm>
#include <functional>

namespace millrace {

Backoff::Backoff(std::string_view name)
    : random_(static_cast<std::minstd_rand::result_type>(std::hash<std::string_view>{}(name))) {}

std::int64_t Backoff::next_us() {
  const std::int64_t least = pause_us_ - pause_us_ / 4;
  const std::int64_t pause = std::uniform_int_distribution<std::int64_t>(least, pause_us_)(random_);
  pause_us_ = std::min(pause_us_ * 2, kLongestUs);
  return pause;
}

}  // namespace millrace
