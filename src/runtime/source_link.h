#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/bounded_queue.h"
#include "base/result.h"
#include "event/batch.h"
#include "event/position.h"
#include "log/log.h"
#include "runtime/waker.h"

namespace millrace {

/// One atomic write for the log: rows, the position they stand for, and state that belongs to them. `batch`
/// is null when only the others move.
struct LogWork {
  StreamId stream = 0;
  BatchPtr batch;
  SourcePosition after;
  std::vector<StateWrite> state;

  [[nodiscard]] std::size_t bytes() const {
    constexpr std::size_t kOverhead = 512;
    return kOverhead + (batch ? batch->image_bytes() : 0);
  }
};

/// How many batches may wait for the writer. A write costs a sync however small it is, so small transactions
/// must gather in one batch while the writer is busy, not in a queue of batches with a sync each; and of
/// large ones, one that waits is enough to keep the writer going.
inline constexpr std::size_t kQueuedBatches = 1;

/// What a source's reader and writer share: work goes down, durable positions come back. Thread-safe.
class SourceLink {
 public:
  explicit SourceLink(std::size_t queue_bytes) : queue_(queue_bytes, kQueuedBatches) {}

  // The reader's side.

  /// False when there was no room within `wait_us`; `work` is then untouched.
  bool push(LogWork& work, std::int64_t wait_us) {
    const std::size_t bytes = work.bytes();
    unwritten_.fetch_add(1, std::memory_order_acq_rel);
    if (queue_.push(work, bytes, wait_us)) return true;
    unwritten_.fetch_sub(1, std::memory_order_acq_rel);
    return false;
  }
  /// Nothing more will be pushed: the writer finishes once it has written what there is.
  void finish_reading() {
    reading_finished_.store(true, std::memory_order_release);
    queue_.close();
  }
  /// Everything pushed is durable, or the writer has given up.
  [[nodiscard]] bool drained() const {
    return unwritten_.load(std::memory_order_acquire) == 0 || writer_done();
  }
  [[nodiscard]] bool writer_done() const { return writer_done_.load(std::memory_order_acquire); }
  /// The newest durable position, if newer than the last one taken.
  [[nodiscard]] std::optional<SourcePosition> take_durable() {
    if (!fresh_.load(std::memory_order_acquire)) return std::nullopt;
    const std::lock_guard lock(mutex_);
    fresh_.store(false, std::memory_order_relaxed);
    return durable_;
  }
  [[nodiscard]] bool has_unwritten() const { return unwritten_.load(std::memory_order_acquire) > 0; }

  /// The error when the writer has broken off. Holds until `mend`, which is only for a reader with nothing
  /// unwritten.
  [[nodiscard]] std::optional<Error> broken() const {
    if (!broken_.load(std::memory_order_acquire)) return std::nullopt;
    const std::lock_guard lock(mutex_);
    return broken_error_;
  }
  void mend() { broken_.store(false, std::memory_order_release); }

  // The writer's side.

  [[nodiscard]] bool reading_finished() const { return reading_finished_.load(std::memory_order_acquire); }
  [[nodiscard]] std::optional<LogWork> pop(std::int64_t wait_us) { return queue_.pop(wait_us); }
  void written(const SourcePosition& durable) {
    {
      const std::lock_guard lock(mutex_);
      durable_ = durable;
      fresh_.store(true, std::memory_order_release);
    }
    dropped();
  }
  /// The writer ends, having written all or given up.
  void finish_writing() {
    writer_done_.store(true, std::memory_order_release);
    reader_waker_.wake();
  }
  /// The writer does not know whether a write is in the log, or is told to act so: what is queued and what
  /// still comes is dropped until the reader has given its connection up and is ready to read from the log's
  /// position again.
  void break_off(Error error) {
    const std::lock_guard lock(mutex_);
    broken_error_ = std::move(error);
    broken_.store(true, std::memory_order_release);
  }
  void dropped() {
    if (unwritten_.fetch_sub(1, std::memory_order_acq_rel) == 1) reader_waker_.wake();
  }

  // Both.

  [[nodiscard]] std::size_t queued_bytes() const { return queue_.bytes(); }
  void set_queue_bytes(std::size_t bytes) { queue_.set_limit(bytes); }
  Waker& reader_waker() { return reader_waker_; }
  Waker& writer_waker() { return writer_waker_; }

 private:
  BoundedQueue<LogWork> queue_;
  std::atomic<std::int64_t> unwritten_{0};
  std::atomic<bool> reading_finished_{false};
  std::atomic<bool> writer_done_{false};
  std::atomic<bool> fresh_{false};
  std::atomic<bool> broken_{false};
  mutable std::mutex mutex_;
  std::optional<SourcePosition> durable_;
  Error broken_error_;
  Waker reader_waker_;
  Waker writer_waker_;
};

}  // namespace millrace
