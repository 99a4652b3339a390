#include "base/clock.h"

#include <chrono>
#include <thread>

namespace millrace {
namespace {

using std::chrono::duration_cast;
using std::chrono::microseconds;

}  // namespace

std::int64_t SystemClock::now_us() const {
  return duration_cast<microseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t SystemClock::wall_us() const {
  return duration_cast<microseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void SystemClock::sleep_until(std::int64_t until_us) {
  // A wait relative to now cannot overflow the clock's nanoseconds for a deadline of "never".
  constexpr std::int64_t kLongest = 3'600'000'000;
  for (std::int64_t left = until_us - now_us(); left > 0; left = until_us - now_us()) {
    std::this_thread::sleep_for(microseconds(left < kLongest ? left : kLongest));
  }
}

}  // namespace millrace
