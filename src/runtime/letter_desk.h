#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "runtime/letters.h"

namespace millrace {

/// Where requests for a sink's dead letters are handed in, and where they can be followed. It outlives the
/// sink's tasks, which take one request at a time. Thread-safe.
class LetterDesk {
 public:
  static constexpr std::size_t kMaxQueued = 16;
  static constexpr std::size_t kMaxEnded = 64;  ///< operations that can be looked at afterwards

  struct Job {
    LetterOperation operation;
    LetterRequest request;
  };

  explicit LetterDesk(const Clock& clock) : clock_(clock) {}

  /// The operation's id. A retry error when too many wait.
  [[nodiscard]] Result<std::uint64_t> submit(LetterRequest request);
  [[nodiscard]] std::optional<LetterOperation> find(std::uint64_t id) const;

  /// For the sink's thread: the next request, now running.
  [[nodiscard]] std::optional<Job> take();
  void report(const LetterOperation& operation);
  void end(LetterOperation operation, LetterOperation::State state);
  /// The sink stops: what waits is not done.
  void stop_queued(const std::string& why);

 private:
  LetterOperation* find_locked(std::uint64_t id);

  const Clock& clock_;
  std::atomic<bool> has_queued_{false};
  mutable std::mutex mutex_;
  std::deque<LetterRequest> queue_;         // of the operations that are kQueued, in order
  std::deque<LetterOperation> operations_;  // by id
  std::uint64_t next_id_ = 1;
};

}  // namespace millrace
