#pragma once

#include <atomic>
#include <cstdint>

namespace millrace {

/// The last time a stage either moved (rows, position, acknowledgement, another state) or had proof that
/// there was nothing to do. Written by the stage's thread, read by any.
class Heartbeat {
 public:
  void beat(std::int64_t now_us) { at_us_.store(now_us, std::memory_order_relaxed); }
  /// The stage is over: it is not expected to move.
  void finish() { at_us_.store(kFinished, std::memory_order_relaxed); }

  /// True when the stage has done neither for longer than `limit_us`.
  [[nodiscard]] bool stale(std::int64_t now_us, std::int64_t limit_us) const {
    const std::int64_t at = at_us_.load(std::memory_order_relaxed);
    return at != kFinished && at != kNotStarted && now_us - at > limit_us;
  }

 private:
  static constexpr std::int64_t kNotStarted = -1;
  static constexpr std::int64_t kFinished = -2;
  std::atomic<std::int64_t> at_us_{kNotStarted};
};

}  // namespace millrace
