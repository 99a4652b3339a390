#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "runtime/backoff.h"
#include "runtime/heartbeat.h"
#include "runtime/source_link.h"
#include "runtime/stage.h"
#include "runtime/task.h"
#include "runtime/task_metrics.h"

namespace millrace {

/// What the writer adds to its task's status. `error` is set while the log takes nothing.
class WriterTrouble {
 public:
  void set(const Error& error) {
    const std::lock_guard lock(mutex_);
    error_ = error;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    error_.reset();
  }
  [[nodiscard]] std::optional<Error> read() const {
    const std::lock_guard lock(mutex_);
    return error_;
  }

 private:
  mutable std::mutex mutex_;
  std::optional<Error> error_;
};

/// The second half of a source's task: one synced append a batch, while the reader goes on reading. A log
/// that is full or busy is tried again with the same batch for ever, which holds the reader back; one that is
/// broken ends the task.
class SourceWriter final : public Stage {
 public:
  SourceWriter(const TaskSettings& settings, SourceLink& link, WriterTrouble& trouble, SourceMetrics& metrics,
               std::stop_token stop);

  [[nodiscard]] StepOutcome step(std::int64_t until_us) override;
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] const Heartbeat& heartbeat() const { return heartbeat_; }

 private:
  Status append();
  StepOutcome on_error(Error error);
  StepOutcome finish();
  void count_logged(const Batch& batch);

  const TaskSettings settings_;
  const std::string name_;
  SourceLink& link_;
  WriterTrouble& trouble_;
  SourceMetrics& metrics_;
  const std::stop_token stop_;

  Heartbeat heartbeat_;
  Backoff backoff_;
  std::optional<LogWork> work_;
  bool in_trouble_ = false;
  bool done_ = false;
  std::int64_t retry_at_us_ = 0;
};

}  // namespace millrace
