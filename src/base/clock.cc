#include "base/clock.h"

#include <chrono>
#include <thread>

namespace millrace {
namespace {

template <typename C>
std::int64_t microseconds_of() {
  return std::chrono::duration_cast<std::chrono::microseconds>(C::now().time_since_epoch()).count();
}

}  // namespace

std::int64_t SystemClock::now_us() const { return microseconds_of<std::chrono::steady_clock>(); }
std::int64_t SystemClock::wall_us() const { return microseconds_of<std::chrono::system_clock>(); }

void SystemClock::sleep_until(std::int64_t until_us) {
  const std::int64_t left_us = until_us - now_us();
  if (left_us > 0) std::this_thread::sleep_for(std::chrono::microseconds(left_us));
}

}  // namespace millrace
