#include "runtime/housekeeping.h"

#include <algorithm>

#include "runtime/guard.h"

namespace millrace {

StepOutcome Housekeeping::step(std::int64_t until_us) {
  if (stop_.load(std::memory_order_acquire)) return StepOutcome::kDone;
  const std::int64_t now_us = clock_.now_us();
  if (now_us - ticked_us_ < kTickUs) {
    waker_.wait(std::min(until_us, ticked_us_ + kTickUs) - now_us);
    return StepOutcome::kIdle;
  }
  ticked_us_ = now_us;
  guard_quietly(tick_);
  return StepOutcome::kWorked;
}

void Housekeeping::request_stop() {
  stop_.store(true, std::memory_order_release);
  waker_.wake();
}

}  // namespace millrace
