#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "connect/sink.h"
#include "runtime/backoff.h"
#include "runtime/heartbeat.h"
#include "runtime/in_flight.h"
#include "runtime/letter_warnings.h"
#include "runtime/letter_work.h"
#include "runtime/sink_start.h"
#include "runtime/stage.h"
#include "runtime/task.h"
#include "runtime/task_metrics.h"
#include "runtime/topic_filter.h"
#include "runtime/waker.h"

namespace millrace {

/// A sink's whole task on one thread: reads the log, hands rows over, collects what is settled, and keeps
/// position and rejects in the log. Reading waits only when nothing is in flight, so an append is at the
/// target as soon as it can be. Reopens the sink for ever after errors that can heal.
class SinkStage final : public Stage {
 public:
  SinkStage(const TaskSettings& settings, std::unique_ptr<Sink> sink, TopicFilter wants, StatusBoard& board,
            SinkMetrics& metrics, std::stop_token stop);
  ~SinkStage() override;

  [[nodiscard]] StepOutcome step(std::int64_t until_us) override;
  [[nodiscard]] std::string_view name() const override { return name_; }
  [[nodiscard]] const Heartbeat& heartbeat() const { return heartbeat_; }
  /// Any thread.
  void set_in_flight_bytes(std::size_t bytes) { in_flight_limit_.store(bytes, std::memory_order_relaxed); }
  Waker& waker() { return waker_; }

 private:
  enum class Phase : std::uint8_t { kOpen, kRun, kStop, kDone };

  Result<StepOutcome> step_phase(std::int64_t until_us);
  Result<StepOutcome> open(std::int64_t until_us);
  Result<StepOutcome> run(std::int64_t until_us);
  Result<StepOutcome> finish(std::int64_t until_us);

  Result<bool> read_and_write(std::int64_t until_us);
  Result<std::optional<ReadBatch>> read_applied();
  Result<bool> tend_letters();
  void tell_closed_letters();
  Status tell_parked();
  Status close_overtaken();
  Status write(const ReadBatch& rows);
  Status tell_position();
  Status tell_end();
  Result<bool> poll(std::int64_t until_us);
  void count_applied(const InFlight::Entry& entry);
  /// When the position has to be kept in the log next; far away when there is nothing to keep.
  [[nodiscard]] std::int64_t settle_due_us() const;
  Status settle();
  /// False while the log does not take it.
  bool settle_or_wait(std::int64_t until_us);

  StepOutcome on_error(const Error& error);
  void fail(const Error& error);
  void close();
  void begin_stop();
  void wait(std::int64_t until_us);
  void show_state(ConnectorState state);
  void show_error(ConnectorState state, const Error& error);
  void warn_of_incomplete_start(const SinkStart& start);
  void warn_of_dead_letters(const std::vector<LetterWarnings::Warning>& warnings);
  void publish(bool at_once);
  void count_dead_letters();
  [[nodiscard]] std::int64_t now() const { return settings_.clock.now_us(); }

  const TaskSettings settings_;
  const std::string name_;
  const std::unique_ptr<Sink> sink_;
  const TopicFilter wants_;
  StatusBoard& board_;
  SinkMetrics& metrics_;
  const std::stop_token stop_;
  TaskContext context_;
  Waker waker_;
  std::atomic<std::size_t> in_flight_limit_{0};

  Phase phase_ = Phase::kOpen;
  Heartbeat heartbeat_;
  Backoff backoff_;
  bool open_ = false;
  bool failed_ = false;
  bool stop_failed_ = false;

  LogPosition read_;                    // up to here rows were read
  LogPosition told_;                    // up to here the sink was handed rows or a position
  LogPosition durable_;                 // up to here everything is at the target or among the rejects
  LogPosition applied_;                 // SinkStart::applied
  bool rereads_ = false;                // rows up to there
  std::optional<LogPosition> settled_;  // what the log has of `durable_`
  std::optional<ReadBatch> skipped_;    // the last empty range, to tell the sink its position
  std::vector<Rejected> rejected_;      // not yet in the log
  std::vector<Rejected> overtaken_;     // as well
  InFlight in_flight_;
  std::uint64_t rows_unsettled_ = 0;  // settled by the sink, not yet kept in the log
  bool settle_trouble_ = false;
  LetterWork letters_;
  bool letters_had_turn_ = false;
  std::uint64_t letters_ever_ = 0;

  std::vector<std::string> warnings_;
  std::optional<std::int64_t> opened_us_;
  std::int64_t retry_at_us_ = 0;
  std::int64_t settled_us_ = 0;
  std::int64_t told_us_ = 0;
  std::int64_t published_us_ = 0;
  std::int64_t looked_us_ = 0;  // when the sink was polled last
  LetterWarnings letter_warnings_;
  std::int64_t stop_deadline_us_ = 0;
};

}  // namespace millrace
