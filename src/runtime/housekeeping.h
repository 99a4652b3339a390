#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

#include "base/clock.h"
#include "runtime/stage.h"
#include "runtime/waker.h"

namespace millrace {

/// Calls `tick` now and then on its own thread: the watchdog and retention.
class Housekeeping final : public Stage {
 public:
  static constexpr std::int64_t kTickUs = 1'000'000;

  Housekeeping(Clock& clock, std::function<void()> tick) : clock_(clock), tick_(std::move(tick)) {}

  [[nodiscard]] StepOutcome step(std::int64_t until_us) override;
  [[nodiscard]] std::string_view name() const override { return "housekeeping"; }
  /// Any thread.
  void request_stop();

 private:
  Clock& clock_;
  const std::function<void()> tick_;
  std::atomic<bool> stop_{false};
  Waker waker_;
  std::int64_t ticked_us_ = 0;
};

}  // namespace millrace
