#pragma once

#include <cstdint>

namespace millrace {

/// The one door to time. `now_us` is monotonic and only good for differences and deadlines (`until_us`
/// everywhere); `wall_us` is microseconds since 1970-01-01 UTC and may jump. Thread-safe.
class Clock {
 public:
  Clock() = default;
  Clock(const Clock&) = delete;
  Clock& operator=(const Clock&) = delete;
  virtual ~Clock() = default;

  [[nodiscard]] virtual std::int64_t now_us() const = 0;
  [[nodiscard]] virtual std::int64_t wall_us() const = 0;
  /// Gives the processor away until `until_us`. A hand-turned clock moves itself there.
  virtual void sleep_until(std::int64_t until_us) = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] std::int64_t now_us() const override;
  [[nodiscard]] std::int64_t wall_us() const override;
  void sleep_until(std::int64_t until_us) override;
};

/// Time for tests and the simulator: moves only when told. One thread.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(std::int64_t start_us = 1'000'000) : now_us_(start_us) {}
  [[nodiscard]] std::int64_t now_us() const override { return now_us_; }
  [[nodiscard]] std::int64_t wall_us() const override { return now_us_; }
  void sleep_until(std::int64_t until_us) override {
    if (until_us > now_us_) now_us_ = until_us;
  }
  void advance_us(std::int64_t by_us) { now_us_ += by_us; }

 private:
  std::int64_t now_us_;
};

}  // namespace millrace
