#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace millrace {

/// Lets one thread wait until another has news for it. News that comes while nobody waits is kept, so none is
/// missed. Thread-safe; one waiter.
class Waker {
 public:
  /// Returns on news or after `wait_us`, at once when that is not above zero.
  void wait(std::int64_t wait_us) {
    std::unique_lock lock(mutex_);
    if (wait_us > 0) {
      news_.wait_for(lock, std::chrono::microseconds(wait_us), [this] { return woken_; });
    }
    woken_ = false;
  }

  void wake() {
    {
      const std::lock_guard lock(mutex_);
      woken_ = true;
    }
    news_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable news_;
  bool woken_ = false;
};

}  // namespace millrace
