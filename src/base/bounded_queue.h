#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <mutex>
#include <optional>
#include <utility>

namespace millrace {

/// Hands items from one thread to another; bounded in bytes and items, and that bound is all the backpressure
/// there is. One item larger than the bound is let through when the queue is empty, so nothing is ever too
/// large to pass. Thread-safe. `close()` wakes both sides for good.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t limit_bytes,
                        std::size_t limit_items = std::numeric_limits<std::size_t>::max())
      : limit_items_(limit_items), limit_bytes_(limit_bytes) {}

  /// False when there was no room within `wait_us` or the queue is closed; `item` is then untouched.
  bool push(T& item, std::size_t bytes, std::int64_t wait_us) {
    std::unique_lock lock(mutex_);
    const auto has_room = [&] {
      return closed_ || items_.empty() || (bytes_ + bytes <= limit_bytes_ && items_.size() < limit_items_);
    };
    // Without a wait the system is not asked: even a wait of nothing costs tens of microseconds.
    const bool room =
        wait_us > 0 ? room_.wait_for(lock, std::chrono::microseconds(wait_us), has_room) : has_room();
    if (!room || closed_) return false;
    items_.emplace_back(std::move(item), bytes);
    bytes_ += bytes;
    lock.unlock();
    filled_.notify_one();
    return true;
  }

  /// Nothing within `wait_us`, or nothing left in a closed queue: empty.
  std::optional<T> pop(std::int64_t wait_us) {
    std::unique_lock lock(mutex_);
    if (wait_us > 0) {
      filled_.wait_for(lock, std::chrono::microseconds(wait_us), [&] { return closed_ || !items_.empty(); });
    }
    if (items_.empty()) return std::nullopt;
    T item = std::move(items_.front().first);
    bytes_ -= items_.front().second;
    items_.pop_front();
    lock.unlock();
    room_.notify_one();
    return item;
  }

  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    room_.notify_all();
    filled_.notify_all();
  }

  /// Drops what is queued and opens the queue again.
  void reset() {
    const std::lock_guard lock(mutex_);
    items_.clear();
    bytes_ = 0;
    closed_ = false;
  }

  /// Changes the bound; what is queued already stays.
  void set_limit(std::size_t limit_bytes) {
    {
      const std::lock_guard lock(mutex_);
      limit_bytes_ = limit_bytes;
    }
    room_.notify_all();
  }

  [[nodiscard]] std::size_t bytes() const {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  [[nodiscard]] std::size_t size() const {
    const std::lock_guard lock(mutex_);
    return items_.size();
  }

 private:
  const std::size_t limit_items_;
  std::size_t limit_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable room_;
  std::condition_variable filled_;
  std::deque<std::pair<T, std::size_t>> items_;
  std::size_t bytes_ = 0;
  bool closed_ = false;
};

}  // namespace millrace
