#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "runtime/stage.h"

namespace millrace {

/// Runs one stage on a thread of its own until the stage says it is done. The only place that makes threads.
/// The destructor waits for the thread, so ask the stage to stop before.
class TaskThread {
 public:
  /// How long a step may wait for work: bounds how late a stage sees what nobody wakes it for.
  static constexpr std::int64_t kStepUs = 200'000;

  TaskThread(Stage& stage, Clock& clock);
  TaskThread(TaskThread&&) noexcept;
  TaskThread& operator=(TaskThread&&) noexcept;
  ~TaskThread();

  [[nodiscard]] bool finished() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
