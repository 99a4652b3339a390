#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>
#include <vector>

#include "connect/task_context.h"
#include "runtime/letter_desk.h"
#include "runtime/memory_budget.h"
#include "runtime/runtime.h"
#include "runtime/stage.h"

namespace millrace {

/// What every task is made with. References outlive the task.
struct TaskSettings {
  std::string name;
  std::string kind;
  Log& log;
  Clock& clock;
  Logger& logger;
  Metrics& metrics;
  FailPoints& failpoints;
  RuntimeOptions options;
  bool anew = false;  ///< sinks: what the target says about its position does not count at the first opening
  LetterDesk* letters = nullptr;  ///< of a sink, never null then
};

/// A task's status as its own stages keep it, for others to read: nobody else ever calls the connector.
/// Thread-safe.
class StatusBoard {
 public:
  template <typename Change>
  void update(Change&& change) {
    const std::lock_guard lock(mutex_);
    change(status_);
  }
  [[nodiscard]] ConnectorStatus read() const {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  mutable std::mutex mutex_;
  ConnectorStatus status_;
};

/// One life of a connector, from start to stop: its stages and what they share. Whoever owns it runs
/// `stages()`, each until it says kDone, and destroys it only after that or when nothing runs them any more.
class Task {
 public:
  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;

  [[nodiscard]] virtual std::vector<Stage*> stages() = 0;
  /// Asks the stages to bring in what they hold and to finish. Any thread; returns at once.
  virtual void request_stop() = 0;
  virtual void set_memory(const MemoryShares& shares) = 0;
  /// Any thread. `now_us` is for the watchdog: kStuck when a stage has neither moved nor been proven idle.
  [[nodiscard]] virtual ConnectorStatus status(std::int64_t now_us) const = 0;
};

}  // namespace millrace
