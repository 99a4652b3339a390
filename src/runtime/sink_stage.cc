#include "runtime/sink_stage.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "runtime/guard.h"

namespace millrace {
namespace {

// A settle is a synced write. A crash costs what was applied since the last one: it is sent again.
constexpr std::int64_t kSettleEveryUs = 150'000;
constexpr std::int64_t kSettleSkippedEveryUs = 1'000'000;
constexpr std::int64_t kTellPositionEveryUs = 1'000'000;
constexpr std::int64_t kLookEveryUs = 1'000'000;
// While something is in flight new rows are looked for this often, answers or not.
constexpr std::int64_t kPollSliceUs = 2'000;
constexpr std::int64_t kGoodConnectionUs = 5'000'000;
// Dead letters and new rows take turns.
constexpr std::int64_t kLetterTurnUs = 50'000;
constexpr std::size_t kLettersAtOnce = 1000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

TaskContext context_of(const TaskSettings& s, std::stop_token stop) {
  return {s.name, s.log.id(), s.clock, s.logger, s.metrics, s.failpoints, std::move(stop)};
}

bool heals(const Error& error) { return error.next == Next::kRetry || error.next == Next::kReconnect; }

}  // namespace

SinkStage::SinkStage(const TaskSettings& settings, std::unique_ptr<Sink> sink, TopicFilter wants,
                     StatusBoard& board, SinkMetrics& metrics, std::stop_token stop)
    : settings_(settings),
      name_("s:" + settings.name),
      sink_(std::move(sink)),
      wants_(std::move(wants)),
      board_(board),
      metrics_(metrics),
      stop_(stop),
      context_(context_of(settings, stop)),
      backoff_(settings.name),
      letters_({settings.log, settings.clock, settings.logger, settings.failpoints, *settings.letters,
                settings.name}) {}

SinkStage::~SinkStage() { close(); }

StepOutcome SinkStage::step(std::int64_t until_us) {
  if (phase_ == Phase::kDone) return StepOutcome::kDone;
  if (stop_.stop_requested() && phase_ != Phase::kStop) begin_stop();
  const bool stopping = phase_ == Phase::kStop;
  Result<StepOutcome> outcome = guard("the sink " + settings_.name, [&]() -> Result<StepOutcome> {
    Result<StepOutcome> out = step_phase(until_us);
    if (phase_ != Phase::kDone) publish(false);
    return out;
  });
  if (outcome) return *outcome;
  if (stopping && stop_failed_) {
    phase_ = Phase::kDone;
    return StepOutcome::kDone;
  }
  const StepOutcome out = on_error(outcome.error());
  if (stopping) {
    stop_failed_ = true;
    stop_deadline_us_ = now();  // no use in waiting for a target that is gone
  }
  return out;
}

Result<StepOutcome> SinkStage::step_phase(std::int64_t until_us) {
  switch (phase_) {
    case Phase::kOpen:
      return open(until_us);
    case Phase::kRun:
      return run(until_us);
    default:
      return finish(until_us);
  }
}

Result<StepOutcome> SinkStage::open(std::int64_t until_us) {
  if (now() < retry_at_us_) {
    heartbeat_.beat(now());
    wait(std::min(until_us, retry_at_us_));
    return StepOutcome::kIdle;
  }
  // What the target settled before the error is kept first: it decides where to go on.
  if ((!rejected_.empty() || (settled_ && durable_ != *settled_)) && !settle_or_wait(until_us)) {
    return StepOutcome::kIdle;
  }
  heartbeat_.beat(now());
  Result<std::optional<LogPosition>> settled = settings_.log.settled(settings_.name);
  if (!settled) return std::move(settled).error();
  open_ = true;
  opened_us_.reset();
  Result<std::optional<LogPosition>> target = sink_->open(context_);
  if (!target) return std::move(target).error();
  opened_us_ = now();
  MILLRACE_TRY(tell_parked());
  // Only now: opening may take long, and retention holds nothing for a sink that has not settled.
  Result<LogPosition> earliest = settings_.log.earliest();
  if (!earliest) return std::move(earliest).error();
  if (settings_.anew && !settled->has_value()) *target = LogPosition();

  const SinkStart start = sink_start(*target, *settled, *earliest);
  warn_of_incomplete_start(start);
  settled_ = std::move(*settled);
  read_ = told_ = durable_ = start.from;
  applied_ = start.applied;
  rereads_ = !read_.covers(applied_);
  skipped_.reset();
  in_flight_.clear();
  // Kept before the first row: from now on the log keeps for this sink what it has not read, or has to read
  // again.
  if (!settled_ || !durable_.covers(*settled_)) MILLRACE_TRY(settle());
  phase_ = Phase::kRun;
  show_state(ConnectorState::kRunning);
  settings_.logger.info("sink opened", {{"connector", settings_.name}, {"position", start.from.text()}});
  return StepOutcome::kWorked;
}

Result<StepOutcome> SinkStage::run(std::int64_t until_us) {
  if (now() >= settle_due_us() && !settle_or_wait(until_us)) return StepOutcome::kIdle;
  const Result<bool> quiet = tend_letters();
  if (!quiet) return quiet.error();
  if (phase_ != Phase::kRun) return StepOutcome::kWorked;
  const bool room = !*quiet && (in_flight_.empty() ||
                                in_flight_.bytes() < in_flight_limit_.load(std::memory_order_relaxed));
  bool moved = false;
  if (room) {
    Result<bool> read = read_and_write(until_us);
    if (!read) return std::move(read).error();
    moved = *read;
  }
  if (!in_flight_.empty()) {
    std::int64_t poll_until_us = now();
    if (!moved)
      poll_until_us = room ? std::min(until_us, now() + kPollSliceUs) : std::min(until_us, settle_due_us());
    Result<bool> settled = poll(poll_until_us);
    if (!settled) return std::move(settled).error();
    moved = moved || *settled;
  } else if (now() - looked_us_ >= kLookEveryUs) {
    // A target that went away, or came back empty, while nothing is written is seen all the same.
    Result<bool> looked = poll(now());
    if (!looked) return std::move(looked).error();
  }
  return moved || letters_.active() ? StepOutcome::kWorked : StepOutcome::kIdle;
}

Status SinkStage::tell_parked() {
  if (settings_.log.dead_letter_counts(settings_.name).open == 0) return {};
  for (std::uint64_t from = 0;;) {
    auto letters = settings_.log.dead_letters(settings_.name, from, kLettersAtOnce);
    if (!letters) return std::move(letters).error();
    std::vector<Rejected> rows;
    for (DeadLetter& letter : *letters) {
      if (is_open(letter.state)) rows.push_back(std::move(letter.rejected));
    }
    sink_->parked(rows);
    if (letters->size() < kLettersAtOnce) return {};
    from = letters->back().id + 1;
    heartbeat_.beat(now());
  }
}

void SinkStage::tell_closed_letters() {
  for (const Rejected& row : letters_.take_closed()) {
    if (open_) sink_->unparked(row);
  }
}

/// Nobody has to look at rows whose keys were written since.
Status SinkStage::close_overtaken() {
  while (!overtaken_.empty()) {
    const std::size_t count = std::min(overtaken_.size(), kLettersAtOnce);
    const auto first = overtaken_.end() - static_cast<std::ptrdiff_t>(count);
    std::vector<DeadLetter> letters;
    for (auto row = first; row != overtaken_.end(); ++row) {
      auto letter =
          settings_.log.dead_letter_of(settings_.name, {row->stream, row->sequence, row->row}, row->output);
      if (!letter) return std::move(letter).error();
      if (!*letter || !is_open((*letter)->state)) continue;
      add_event(**letter, {settings_.clock.wall_us(),
                           LetterEvent::What::kOvertaken,
                           LetterState::kSuperseded,
                           {},
                           "its key was written since",
                           {}});
      letters.push_back(std::move(**letter));
    }
    if (!letters.empty()) MILLRACE_TRY(settings_.log.update_dead_letters(settings_.name, letters));
    overtaken_.erase(first, overtaken_.end());
  }
  return {};
}

/// True: no new rows are to be read, so that letters can be sent once all is settled.
Result<bool> SinkStage::tend_letters() {
  if (std::exchange(letters_had_turn_, false) || !letters_.active()) return false;
  Result<bool> ready = letters_.prepare(*settled_, now() + kLetterTurnUs);
  tell_closed_letters();
  heartbeat_.beat(now());
  if (!ready || !*ready) return ready;
  // Rows up to `applied_` are at the target already: none of them may come to lie under a letter.
  if (!in_flight_.empty() || !durable_.covers(applied_)) return !in_flight_.empty();
  if (durable_ != *settled_ || !rejected_.empty()) {
    static_cast<void>(settle_or_wait(now()));
    return true;  // once more, for what that has moved
  }
  MILLRACE_TRY(letters_.send(*sink_, durable_, now() + kLetterTurnUs));
  tell_closed_letters();
  heartbeat_.beat(now());
  letters_had_turn_ = true;
  return true;
}

Result<bool> SinkStage::read_and_write(std::int64_t until_us) {
  std::int64_t wait_until_us = now();
  if (in_flight_.empty() && !letters_.active()) {
    wait_until_us = std::min(until_us, settle_due_us());
    if (skipped_) wait_until_us = std::min(wait_until_us, told_us_ + kTellPositionEveryUs);
  }
  Result<std::optional<ReadBatch>> read =
      rereads_ ? read_applied() : settings_.log.read(wants_, read_, wait_until_us);
  if (!read) return std::move(read).error();
  if (!*read) {
    if (std::exchange(rereads_, false)) return true;
    if (in_flight_.empty()) heartbeat_.beat(now());  // the log says there is nothing to do
    MILLRACE_TRY(in_flight_.empty() ? tell_position() : tell_end());
    return false;
  }
  ReadBatch rows = std::move(**read);
  read_ = rows.after;
  heartbeat_.beat(now());
  if (rows.first_row == rows.end_row) {
    skipped_ = std::move(rows);
    if (in_flight_.empty()) durable_ = read_;
    MILLRACE_TRY(tell_position());
    return true;
  }
  skipped_.reset();
  const SplitRows split = split_applied(std::move(rows), applied_);
  if (split.applied) MILLRACE_TRY(write(*split.applied));
  if (split.fresh) MILLRACE_TRY(write(*split.fresh));
  return true;
}

/// Only of streams whose rows the target has applied beyond what the log knows: it looks at these as a whole,
/// so nothing of the others may come in between. Nothing: there are no more.
Result<std::optional<ReadBatch>> SinkStage::read_applied() {
  const auto is_behind = [this](const StreamPosition& at) { return at < applied_.at(at.stream); };
  Result<LogPosition> from = settings_.log.latest();
  if (!from) return std::move(from).error();
  bool any = false;
  for (const StreamPosition& at : read_.streams()) {
    if (!is_behind(at)) continue;
    from->set(at);
    any = true;
  }
  if (!any) return std::optional<ReadBatch>();
  for (;;) {
    auto read = settings_.log.read(wants_, *from, now());
    if (!read || !*read) return read;
    LogPosition after = read_;
    for (const StreamPosition& at : read_.streams()) {
      if (is_behind(at)) after.set((*read)->after.at(at.stream));
    }
    // Of another stream: it has just come.
    const bool other = after == read_;
    *from = std::exchange((*read)->after, std::move(after));
    if (!other) return read;
  }
}

Status SinkStage::write(const ReadBatch& rows) {
  // In flight before it is handed over: a write that fails half-way may have been applied.
  in_flight_.add(rows);
  metrics_.queue_bytes.set(static_cast<std::int64_t>(in_flight_.bytes()));
  told_ = rows.after;
  told_us_ = now();
  return sink_->write(rows);
}

Status SinkStage::tell_position() {
  if (!skipped_ || !in_flight_.empty() || told_ == read_ || now() - told_us_ < kTellPositionEveryUs)
    return {};
  // Otherwise a target of quiet topics names a position that retention cuts away one day.
  const ReadBatch position = std::exchange(skipped_, std::nullopt).value();
  return write(position);
}

/// A target may wait for more before it writes what it has.
Status SinkStage::tell_end() {
  if (now() - told_us_ < kTellPositionEveryUs) return {};
  ReadBatch end;
  end.after = read_;
  skipped_.reset();
  return write(end);
}

Result<bool> SinkStage::poll(std::int64_t until_us) {
  looked_us_ = now();
  Result<Settled> settled = sink_->poll(until_us);
  if (!settled) return std::move(settled).error();
  bool moved = false;
  if (!settled->rejected.empty()) {
    rejected_.insert(rejected_.end(), std::make_move_iterator(settled->rejected.begin()),
                     std::make_move_iterator(settled->rejected.end()));
    moved = true;
  }
  std::ranges::move(settled->overtaken, std::back_inserter(overtaken_));
  while (std::optional<InFlight::Entry> entry = in_flight_.take(settled->durable)) {
    durable_ = entry->after;
    count_applied(*entry);
    moved = true;
  }
  if (in_flight_.empty() && durable_ != read_ && phase_ == Phase::kRun) durable_ = read_;
  if (moved) heartbeat_.beat(now());
  return moved;
}

void SinkStage::count_applied(const InFlight::Entry& entry) {
  rows_unsettled_ += entry.rows;
  metrics_.rows_applied.add(entry.rows);
  metrics_.bytes_applied.add(entry.bytes);
  metrics_.queue_bytes.set(static_cast<std::int64_t>(in_flight_.bytes()));
  if (entry.received_us <= 0) return;
  const std::int64_t took_us = settings_.clock.wall_us() - entry.received_us;
  metrics_.received_to_applied.record(std::max<std::int64_t>(0, took_us), now(), entry.transactions);
}

std::int64_t SinkStage::settle_due_us() const {
  if (settle_trouble_) return retry_at_us_;
  if (!rejected_.empty()) return 0;
  if (settled_ && durable_ == *settled_ && overtaken_.empty()) return kNever;
  return settled_us_ + (rows_unsettled_ > 0 ? kSettleEveryUs : kSettleSkippedEveryUs);
}

Status SinkStage::settle() {
  MILLRACE_TRY(settings_.failpoints.pass("runtime.before_settle"));
  MILLRACE_TRY(settings_.log.settle(settings_.name, durable_, rejected_));
  if (!rejected_.empty()) warn_of_dead_letters(letter_warnings_.take(rejected_, now()));
  rejected_.clear();
  settled_ = durable_;
  settled_us_ = now();
  rows_unsettled_ = 0;
  MILLRACE_TRY(close_overtaken());
  MILLRACE_TRY(settings_.failpoints.pass("runtime.after_settle"));
  return open_ ? sink_->settled(durable_) : Status();
}

bool SinkStage::settle_or_wait(std::int64_t until_us) {
  if (settle_trouble_ && now() < retry_at_us_ && phase_ != Phase::kStop) {
    wait(std::min(until_us, retry_at_us_));
    return false;
  }
  const auto is_kept = [this] {
    return settled_ && durable_ == *settled_ && rejected_.empty() && overtaken_.empty();
  };
  const bool kept_before = is_kept();
  Status status = settle();
  const bool kept = kept_before || is_kept();
  if (kept) {
    if (settle_trouble_) {
      settle_trouble_ = false;
      backoff_.reset();
      if (phase_ == Phase::kRun) show_state(ConnectorState::kRunning);
    }
    // The log has it: what fails after that is the sink's connection.
    if (!status) static_cast<void>(on_error(status.error()));
    return static_cast<bool>(status);
  }
  if (!heals(status.error())) {
    fail(status.error());
    return false;
  }
  metrics_.errors.add(1);
  heartbeat_.beat(now());
  settle_trouble_ = true;
  retry_at_us_ = now() + backoff_.next_us();
  show_error(ConnectorState::kWaiting, status.error());
  settings_.logger.warn("log does not take a sink's position, will try again",
                        {{"connector", settings_.name}, {"error", std::string_view(status.error().message)}});
  return false;
}

void SinkStage::begin_stop() {
  phase_ = Phase::kStop;
  constexpr std::int64_t kShareOfTimeoutUs = 600;  // of each ms: the rest is for closing
  stop_deadline_us_ = now() + settings_.options.stop_timeout_ms * kShareOfTimeoutUs;
}

Result<StepOutcome> SinkStage::finish(std::int64_t until_us) {
  if (open_ && !in_flight_.empty() && now() < stop_deadline_us_) {
    Result<bool> settled = poll(std::min(until_us, stop_deadline_us_));
    if (!settled) return std::move(settled).error();
    if (!in_flight_.empty()) return StepOutcome::kWorked;
  }
  if (settled_ && (durable_ != *settled_ || !rejected_.empty() || !overtaken_.empty())) {
    if (Status status = settle(); !status) {
      settings_.logger.warn(
          "sink's last position is not kept: its rows will be sent again",
          {{"connector", settings_.name}, {"error", std::string_view(status.error().message)}});
    }
  }
  letters_.stop(failed_ ? "the sink has failed" : "the sink was stopped");
  publish(true);
  close();
  if (!failed_) show_state(ConnectorState::kStopped);
  heartbeat_.finish();
  phase_ = Phase::kDone;
  return StepOutcome::kDone;
}

StepOutcome SinkStage::on_error(const Error& error) {
  if (!heals(error)) {
    fail(error);
    return StepOutcome::kWorked;
  }
  metrics_.errors.add(1);
  if (opened_us_ && now() - *opened_us_ >= kGoodConnectionUs) backoff_.reset();
  close();
  if (phase_ == Phase::kStop) return StepOutcome::kWorked;
  const std::int64_t pause_us = backoff_.next_us();
  retry_at_us_ = now() + pause_us;
  phase_ = Phase::kOpen;
  heartbeat_.beat(now());
  show_error(ConnectorState::kWaiting, error);
  settings_.logger.warn("sink will be opened again", {{"connector", settings_.name},
                                                      {"error", std::string_view(error.message)},
                                                      {"pause_ms", pause_us / 1000}});
  return StepOutcome::kWorked;
}

void SinkStage::fail(const Error& error) {
  metrics_.errors.add(1);
  close();
  failed_ = true;
  show_error(ConnectorState::kFailed, error);
  settings_.logger.error("sink failed", {{"connector", settings_.name},
                                         {"error", std::string_view(error.message)},
                                         {"hint", std::string_view(error.hint)}});
  begin_stop();
}

void SinkStage::close() {
  in_flight_.clear();
  if (!open_) return;
  open_ = false;
  guard_quietly([this] { sink_->close(); });
}

void SinkStage::wait(std::int64_t until_us) { waker_.wait(until_us - now()); }

}  // namespace millrace
