#include "runtime/source_reader.h"

#include <algorithm>
#include <utility>

#include "runtime/guard.h"

namespace millrace {
namespace {

// While something is durable that the source has not been told of, fill comes back this soon.
constexpr std::int64_t kAcknowledgeSoonUs = 20'000;
// No more often than this is the source told: many small transactions make one message.
constexpr std::int64_t kAcknowledgeEveryUs = 10'000;
// While the queue is full the source is told the same again, so that its server hears of us.
constexpr std::int64_t kKeepAliveUs = 1'000'000;
// A position that moves without rows costs a synced write: not for each keep-alive of the server.
constexpr std::int64_t kIdlePositionUs = 500'000;
constexpr std::int64_t kPublishUs = 500'000;
constexpr std::int64_t kPushSliceUs = 50'000;
// A connection that held this long was a good one: the next pause starts small again.
constexpr std::int64_t kGoodConnectionUs = 5'000'000;

TaskContext context_of(const TaskSettings& s, std::stop_token stop) {
  return {s.name, s.log.id(), s.clock, s.logger, s.metrics, s.failpoints, std::move(stop)};
}

}  // namespace

SourceReader::SourceReader(const TaskSettings& settings, std::unique_ptr<Source> source, SourceLink& link,
                           StatusBoard& board, SourceMetrics& metrics, std::stop_token stop)
    : settings_(settings),
      name_("r:" + settings.name),
      source_(std::move(source)),
      link_(link),
      board_(board),
      metrics_(metrics),
      stop_(stop),
      context_(context_of(settings, stop)),
      backoff_(settings.name),
      builder_({settings.options.batch_bytes, settings.options.batch_rows}) {}

SourceReader::~SourceReader() { close(); }

StepOutcome SourceReader::step(std::int64_t until_us) {
  if (phase_ == Phase::kDone) return StepOutcome::kDone;
  if (stop_.stop_requested() && phase_ != Phase::kStop) begin_stop();
  const bool stopping = phase_ == Phase::kStop;
  Result<StepOutcome> outcome = guard("the source " + settings_.name, [&]() -> Result<StepOutcome> {
    const StepOutcome out = step_phase(until_us);
    if (phase_ != Phase::kDone) publish(false);
    return out;
  });
  if (outcome) return *outcome;
  fail(outcome.error());
  if (stopping) {
    link_.finish_reading();
    phase_ = Phase::kDone;
  }
  return StepOutcome::kWorked;
}

StepOutcome SourceReader::step_phase(std::int64_t until_us) {
  if (phase_ == Phase::kStop) return finish(until_us);
  if (link_.writer_done()) {
    begin_stop();  // the writer gave up; its error is in the task's status
    return StepOutcome::kWorked;
  }
  if (open_) {
    if (const std::optional<Error> broken = link_.broken()) return on_error(*broken);
    if (Status status = acknowledge(); !status) return on_error(status.error());
  }
  if (pending_) return hand_over(until_us) ? StepOutcome::kWorked : StepOutcome::kIdle;
  switch (phase_) {
    case Phase::kOpen:
      return open(until_us);
    case Phase::kSnapshot:
      return snapshot(until_us);
    case Phase::kFinishSnapshot:
      return finish_snapshot(until_us);
    default:
      return stream(until_us);
  }
}

Result<SourceResume> SourceReader::load_resume() {
  if (!stream_) {
    Result<StreamId> stream = settings_.log.open_stream(settings_.name);
    if (!stream) return std::move(stream).error();
    stream_ = *stream;
  }
  Result<std::optional<SourcePosition>> position = settings_.log.source_position(*stream_);
  if (!position) return std::move(position).error();
  Result<std::vector<TableSchemaPtr>> schemas = settings_.log.schemas(*stream_);
  if (!schemas) return std::move(schemas).error();
  Result<std::map<std::string, std::string>> state = settings_.log.state(settings_.name);
  if (!state) return std::move(state).error();
  ledger_ = SnapshotLedger(*state);
  return SourceResume{std::move(*position), ledger_.complete(), std::move(*schemas)};
}

StepOutcome SourceReader::open(std::int64_t until_us) {
  // What was read before the error goes to the log first, or the source would send it a second time.
  if (now() < retry_at_us_) {
    heartbeat_.beat(now());
    wait(std::min(until_us, retry_at_us_));
    return StepOutcome::kIdle;
  }
  if (link_.has_unwritten()) {
    wait(until_us);
    return StepOutcome::kIdle;
  }
  link_.mend();
  static_cast<void>(link_.take_durable());
  durable_.reset();
  hidden_rows_ = false;
  unacknowledged_ = false;
  builder_.clear();
  heartbeat_.beat(now());
  Result<SourceResume> resume = load_resume();
  if (!resume) return on_error(resume.error());
  open_ = true;
  opened_us_.reset();
  Result<SourcePosition> position = source_->open(*resume, context_);
  if (!position) return on_error(position.error());
  opened_us_ = now();
  // On disk since the life before: enough to give signs of life with while the log takes nothing new.
  durable_ = resume->position;
  position_ = std::move(*position);
  position_moved_ = !resume->position || *resume->position != position_;

  Snapshotter* snapshotter = source_->snapshotter();
  std::vector<StateWrite> state;
  if (snapshotter == nullptr && !ledger_.complete()) state.push_back(SnapshotLedger::finished(false));
  if (position_moved_ || !state.empty()) queue(nullptr, std::move(state));
  if (snapshotter != nullptr) {
    if (Status status = plan_snapshot(*snapshotter); !status) return on_error(status.error());
  }
  phase_ = snapshotter != nullptr ? Phase::kSnapshot : Phase::kStream;
  show_state(snapshotter != nullptr ? ConnectorState::kSnapshot : ConnectorState::kRunning);
  settings_.logger.info("source opened", {{"connector", settings_.name},
                                          {"snapshot", static_cast<std::int64_t>(snapshotter != nullptr)}});
  return StepOutcome::kWorked;
}

Status SourceReader::plan_snapshot(Snapshotter& snapshotter) {
  Result<std::vector<Chunk>> chunks = snapshotter.plan();
  if (!chunks) return std::move(chunks).error();
  chunks_ = std::move(*chunks);
  chunk_ = 0;
  SnapshotProgress progress;
  progress.active = true;
  progress.tables_total = chunks_.size();
  progress.rows_estimated = 0;
  for (const Chunk& chunk : chunks_) {
    if (ledger_.done(chunk.id)) {
      ++progress.tables_done;
    } else if (chunk.estimated_rows < 0 || progress.rows_estimated < 0) {
      progress.rows_estimated = -1;
    } else {
      progress.rows_estimated += chunk.estimated_rows;
    }
  }
  board_.update([&](ConnectorStatus& status) { status.snapshot = progress; });
  return {};
}

StepOutcome SourceReader::snapshot(std::int64_t until_us) {
  while (chunk_ < chunks_.size() && ledger_.done(chunks_[chunk_].id)) ++chunk_;
  if (chunk_ == chunks_.size()) {
    phase_ = Phase::kFinishSnapshot;
    return StepOutcome::kWorked;
  }
  const Chunk& chunk = chunks_[chunk_];
  show_chunk();
  Result<bool> at_end = source_->snapshotter()->read(chunk, builder_, until_us);
  if (!at_end) return on_error(at_end.error());
  const std::size_t rows = builder_.rows();
  // The last rows of a chunk and its mark are one write: a chunk is marked only when it is in the log as a
  // whole.
  std::vector<StateWrite> state;
  if (*at_end) state.push_back(SnapshotLedger::chunk_done(chunk.id));
  if (rows == 0 && state.empty()) return StepOutcome::kIdle;
  metrics_.snapshot_rows.add(rows);
  board_.update([&](ConnectorStatus& status) {
    status.snapshot.rows_done += rows;
    if (*at_end) ++status.snapshot.tables_done;
  });
  if (*at_end) ++chunk_;
  queue(builder_.seal(), std::move(state));
  return StepOutcome::kWorked;
}

StepOutcome SourceReader::finish_snapshot(std::int64_t until_us) {
  if (link_.has_unwritten()) {
    wait(until_us);
    return StepOutcome::kIdle;
  }
  if (link_.broken()) return StepOutcome::kWorked;
  Result<SourcePosition> position = source_->snapshotter()->finish();
  if (!position) return on_error(position.error());
  position_ = std::move(*position);
  queue(nullptr, {SnapshotLedger::finished(true)});
  board_.update([](ConnectorStatus& status) {
    status.snapshot.active = false;
    status.snapshot.table.clear();
  });
  phase_ = Phase::kStream;
  show_state(ConnectorState::kRunning);
  settings_.logger.info("snapshot complete", {{"connector", settings_.name}});
  return StepOutcome::kWorked;
}

StepOutcome SourceReader::stream(std::int64_t until_us) {
  if (unacknowledged_ || link_.has_unwritten()) until_us = std::min(until_us, now() + kAcknowledgeSoonUs);
  const std::int64_t position_due_us = hidden_rows_ ? now() : handed_over_us_ + kIdlePositionUs;
  if (position_moved_) until_us = std::min(until_us, position_due_us);
  Result<SourcePosition> position = source_->fill(builder_, until_us);
  if (!position) return on_error(position.error());
  if (*position != position_) {
    position_ = std::move(*position);
    position_moved_ = true;
  }
  if (builder_.empty()) {
    // The end of a transaction whose rows went before makes them visible: that is not to wait.
    const bool due = hidden_rows_ || now() - handed_over_us_ >= kIdlePositionUs;
    if (!position_moved_ || !due) return StepOutcome::kIdle;
    queue(nullptr, {});
    return StepOutcome::kWorked;
  }
  queue(builder_.seal(), {});
  // Straight on: each batch waits for nothing but room.
  static_cast<void>(hand_over(now()));
  return StepOutcome::kWorked;
}

void SourceReader::queue(BatchPtr batch, std::vector<StateWrite> state) {
  MILLRACE_CHECK(!pending_);
  if (batch) {
    count_read(*batch);
    hidden_rows_ = batch->complete_rows() < batch->size();
  } else {
    hidden_rows_ = false;
  }
  pending_ = LogWork{*stream_, std::move(batch), position_, std::move(state)};
}

bool SourceReader::hand_over(std::int64_t until_us) {
  const std::int64_t slice_us = std::min(until_us - now(), kPushSliceUs);
  if (!link_.push(*pending_, std::max<std::int64_t>(0, slice_us))) return false;
  pending_.reset();
  position_moved_ = false;
  handed_over_us_ = now();
  heartbeat_.beat(handed_over_us_);
  return true;
}

Status SourceReader::acknowledge() {
  if (std::optional<SourcePosition> durable = link_.take_durable()) {
    durable_ = std::move(*durable);
    unacknowledged_ = true;
  }
  if (!durable_) return {};
  const std::int64_t since_us = now() - acknowledged_us_;
  const bool held_back = pending_ || phase_ != Phase::kStream;
  const bool due = unacknowledged_ ? since_us >= kAcknowledgeEveryUs : held_back && since_us >= kKeepAliveUs;
  if (!due) return {};
  if (unacknowledged_) heartbeat_.beat(now());
  acknowledged_us_ = now();
  unacknowledged_ = false;
  return source_->acknowledge(*durable_);
}

void SourceReader::begin_stop() {
  phase_ = Phase::kStop;
  constexpr std::int64_t kShareOfTimeoutUs = 600;  // of each ms: the rest is for closing
  stop_deadline_us_ = now() + settings_.options.stop_timeout_ms * kShareOfTimeoutUs;
}

StepOutcome SourceReader::finish(std::int64_t until_us) {
  const std::int64_t wait_until_us = std::min(until_us, stop_deadline_us_);
  const bool late = now() >= stop_deadline_us_ || link_.writer_done();
  if (!late && !pending_ && position_moved_) queue(nullptr, {});
  if (!late && pending_ && !hand_over(wait_until_us)) return StepOutcome::kIdle;
  pending_.reset();
  link_.finish_reading();
  if (!late && !link_.drained()) {
    wait(wait_until_us);
    return StepOutcome::kIdle;
  }
  if (open_) {
    if (std::optional<SourcePosition> durable = link_.take_durable()) durable_ = std::move(*durable);
    if (durable_) static_cast<void>(source_->acknowledge(*durable_));
    publish(true);
  }
  close();
  if (!failed_) show_state(ConnectorState::kStopped);
  heartbeat_.finish();
  phase_ = Phase::kDone;
  return StepOutcome::kDone;
}

StepOutcome SourceReader::on_error(const Error& error) {
  builder_.clear();
  if (error.next == Next::kStop || error.next == Next::kReject) {
    fail(error);
    return StepOutcome::kWorked;
  }
  metrics_.errors.add(1);
  if (opened_us_ && now() - *opened_us_ >= kGoodConnectionUs) backoff_.reset();
  close();
  const std::int64_t pause_us = backoff_.next_us();
  retry_at_us_ = now() + pause_us;
  phase_ = Phase::kOpen;
  heartbeat_.beat(now());
  board_.update([&](ConnectorStatus& status) {
    status.state = ConnectorState::kWaiting;
    status.message = error.message;
    status.hint = error.hint;
    status.snapshot.active = false;
  });
  settings_.logger.warn("source will be opened again", {{"connector", settings_.name},
                                                        {"error", std::string_view(error.message)},
                                                        {"pause_ms", pause_us / 1000}});
  return StepOutcome::kWorked;
}

void SourceReader::fail(const Error& error) {
  metrics_.errors.add(1);
  builder_.clear();
  close();
  failed_ = true;
  board_.update([&](ConnectorStatus& status) {
    status.state = ConnectorState::kFailed;
    status.message = error.message;
    status.hint = error.hint;
    status.snapshot.active = false;
  });
  settings_.logger.error("source failed", {{"connector", settings_.name},
                                           {"error", std::string_view(error.message)},
                                           {"hint", std::string_view(error.hint)}});
  begin_stop();
}

void SourceReader::close() {
  position_moved_ = false;  // rows before it may be gone: the log's position counts from here on
  if (!open_) return;
  open_ = false;
  guard_quietly([this] { source_->close(); });
}

void SourceReader::count_read(const Batch& batch) {
  metrics_.rows_read.add(batch.size());
  metrics_.bytes_read.add(batch.image_bytes());
  std::uint64_t transactions = 0;
  std::int64_t oldest_us = 0;
  for (const TransactionRecord& transaction : batch.transactions()) {
    if (transaction.id == 0) continue;
    if (transactions++ == 0) oldest_us = transaction.commit_us;
  }
  // One record a batch, weighed: all its transactions came within the few milliseconds of one fill.
  if (transactions > 0 && batch.received_us() > 0) {
    metrics_.commit_to_received.record(std::max<std::int64_t>(0, batch.received_us() - oldest_us), now(),
                                       transactions);
  }
}

void SourceReader::show_state(ConnectorState state) {
  heartbeat_.beat(now());
  board_.update([state](ConnectorStatus& status) {
    status.state = state;
    status.message.clear();
    status.hint.clear();
  });
}

void SourceReader::show_chunk() {
  board_.update([this](ConnectorStatus& status) {
    if (status.snapshot.table != chunks_[chunk_].table) status.snapshot.table = chunks_[chunk_].table;
  });
}

void SourceReader::publish(bool at_once) {
  if (!at_once && now() - published_us_ < kPublishUs) return;
  published_us_ = now();
  metrics_.queue_bytes.set(static_cast<std::int64_t>(link_.queued_bytes()));
  SourceStatus source;
  if (open_) source = source_->status();
  const bool idle = open_ && source.idle && phase_ == Phase::kStream && !pending_ && !link_.has_unwritten();
  if (idle) heartbeat_.beat(now());
  std::int64_t lag_ms = -1;
  if (source.idle || source.lag_bytes == 0) {
    lag_ms = 0;
  } else if (source.last_commit_us > 0) {
    lag_ms = std::max<std::int64_t>(0, (settings_.clock.wall_us() - source.last_commit_us) / 1000);
  }
  metrics_.lag_bytes.set(source.lag_bytes);
  metrics_.lag_ms.set(lag_ms);
  metrics_.retained_bytes.set(source.retained_bytes);
  board_.update([&](ConnectorStatus& status) {
    if (!source.position.empty()) status.position = source.position;
    status.as_of_us = settings_.clock.wall_us();
    status.lag_bytes = source.lag_bytes;
    status.lag_ms = lag_ms;
    status.retained_bytes = source.retained_bytes;
  });
}

void SourceReader::wait(std::int64_t until_us) { link_.reader_waker().wait(until_us - now()); }

}  // namespace millrace
