#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connect/source.h"
#include "event/batch_builder.h"
#include "runtime/backoff.h"
#include "runtime/heartbeat.h"
#include "runtime/ledger.h"
#include "runtime/source_link.h"
#include "runtime/stage.h"
#include "runtime/task.h"
#include "runtime/task_metrics.h"

namespace millrace {

/// The first half of a source's task, and the only code that touches the Source: opens it, reads the
/// snapshot, fills batches and hands them to the writer, and tells the source what is durable. Reopens it for
/// ever after errors that can heal. What it has handed over is written before it opens the source again, so
/// nothing is read twice.
class SourceReader final : public Stage {
 public:
  SourceReader(const TaskSettings& settings, std::unique_ptr<Source> source, SourceLink& link,
               StatusBoard& board, SourceMetrics& metrics, std::stop_token stop);
  ~SourceReader() override;

  [[nodiscard]] StepOutcome step(std::int64_t until_us) override;
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] const Heartbeat& heartbeat() const { return heartbeat_; }

 private:
  enum class Phase : std::uint8_t { kOpen, kSnapshot, kFinishSnapshot, kStream, kStop, kDone };

  StepOutcome step_phase(std::int64_t until_us);
  StepOutcome open(std::int64_t until_us);
  StepOutcome snapshot(std::int64_t until_us);
  StepOutcome finish_snapshot(std::int64_t until_us);
  StepOutcome stream(std::int64_t until_us);
  StepOutcome finish(std::int64_t until_us);

  Result<SourceResume> load_resume();
  Status plan_snapshot(Snapshotter& snapshotter);
  bool hand_over(std::int64_t until_us);
  void queue(BatchPtr batch, std::vector<StateWrite> state);
  Status acknowledge();
  void begin_stop();
  /// Gives the connection up, then waits and opens again, or ends the task: as the error says.
  StepOutcome on_error(const Error& error);
  void fail(const Error& error);
  void close();
  void count_read(const Batch& batch);
  void show_state(ConnectorState state);
  void show_chunk();
  void publish(bool at_once);
  [[nodiscard]] std::int64_t now() const { return settings_.clock.now_us(); }
  void wait(std::int64_t until_us);

  const TaskSettings settings_;
  const std::string name_;
  const std::unique_ptr<Source> source_;
  SourceLink& link_;
  StatusBoard& board_;
  SourceMetrics& metrics_;
  const std::stop_token stop_;
  TaskContext context_;

  Phase phase_ = Phase::kOpen;
  Heartbeat heartbeat_;
  Backoff backoff_;
  std::optional<StreamId> stream_;
  BatchBuilder builder_;
  std::optional<LogWork> pending_;         // waits for room in the queue
  SourcePosition position_;                // what the rows handed over so far stand for
  bool position_moved_ = false;            // without rows, since the last hand-over
  bool hidden_rows_ = false;               // the last hand-over ended within a transaction
  std::optional<SourcePosition> durable_;  // last one the writer told of since the source was opened
  bool unacknowledged_ = false;

  SnapshotLedger ledger_;
  std::vector<Chunk> chunks_;
  std::size_t chunk_ = 0;

  bool open_ = false;
  bool failed_ = false;
  std::optional<std::int64_t> opened_us_;
  std::int64_t retry_at_us_ = 0;
  std::int64_t handed_over_us_ = 0;
  std::int64_t acknowledged_us_ = 0;
  std::int64_t published_us_ = 0;
  std::int64_t stop_deadline_us_ = 0;
};

}  // namespace millrace
