#include "source/postgres/source.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace millrace::postgres {
namespace {

constexpr int kOldestServer = 140000;
constexpr std::string_view kReading = "reading the stream";
/// While catching up, rows wait this long at most for a batch to be full.
constexpr std::int64_t kMaxHoldUs = 50'000;
// Looking at the clock costs as much as a small message: only now and then.
constexpr std::uint32_t kMessagesPerClock = 256;
constexpr std::int64_t kAskServerUs = 10'000'000;
/// A keep-alive proves us idle for this many status intervals: each of our updates asks for one.
constexpr std::int64_t kIdleIntervals = 3;
constexpr std::int64_t kReplyUs = 1'000'000;
/// The ends of the last record as the server's parts tell it may differ by the head of the page behind it.
constexpr Lsn kSameEnd = 8192;

}  // namespace

Status PostgresSource::connect() {
  auto normal =
      Connection::open(settings_.connection, Connection::Kind::kNormal, context_->clock, context_->stop);
  if (!normal) return std::move(normal).error();
  normal_ = std::move(*normal);
  if (normal_->server_version() < kOldestServer) {
    return stop_error("the server is PostgreSQL " + std::to_string(normal_->server_version() / 10000) +
                      "; 14 or newer is needed");
  }
  auto level = normal_->query("reading wal_level", "SHOW wal_level");
  if (!level) return std::move(level).error();
  if (level->empty() || level->front()[0] != "logical") {
    return stop_error("wal_level is " +
                          (level->empty() ? std::string("unknown") : level->front()[0].value_or("")) +
                          "; logical is needed",
                      "ALTER SYSTEM SET wal_level = 'logical'; then restart the server.");
  }
  auto replication =
      Connection::open(settings_.connection, Connection::Kind::kReplication, context_->clock, context_->stop);
  if (!replication) return std::move(replication).error();
  replication_ = std::move(*replication);
  return {};
}

/// Finds out where the stream goes on; makes publication and slot when they are not there. `exported` gets
/// the name of the new slot's snapshot.
Result<StreamPoint> PostgresSource::prepare(const SourceResume& resume, std::string& exported) {
  std::optional<StreamPoint> ours;
  if (resume.position) {
    auto point = to_stream_point(*resume.position);
    if (!point) return std::move(point).error();
    ours = std::move(*point);
  }
  auto server = identify_system(*replication_, ours ? ours->timeline : 0);
  if (!server) return std::move(server).error();
  auto slot = read_slot(*normal_, settings_.slot_name);
  if (!slot) return std::move(slot).error();
  // Nothing is changed on the server before this has passed.
  MILLRACE_TRY(check_resume(ours, *server, *slot, settings_.slot_name, settings_.connection.database));
  auto tables = ensure_publication(*normal_, settings_, resume.schemas, !ours, context_->logger);
  if (!tables) return std::move(tables).error();
  for (const CapturedTable& table : *tables)
    memory_.note_root(table.oid, table.root_schema, table.root_table);
  if (ours) {
    ours->timeline = server->timeline;
    return *ours;
  }
  StreamPoint start;
  start.system_id = server->system_id;
  start.timeline = server->timeline;
  if (slot->has_value()) {
    start.next = (*slot)->confirmed_flush;
    return start;
  }
  const bool with_snapshot = settings_.snapshot_mode == SnapshotMode::kInitial && !resume.snapshot_complete;
  auto made = create_slot(*replication_, settings_.slot_name, with_snapshot, [this] {
    context_->logger.warn("the replication slot waits for older transactions to end",
                          {{"connector", settings_.connector},
                           {"slot", settings_.slot_name},
                           {"hint",
                            "SELECT pid, xact_start, state FROM pg_stat_activity WHERE backend_xid IS NOT "
                            "NULL ORDER BY xact_start;"}});
  });
  if (!made) return std::move(made).error();
  start.next = made->start;
  exported = made->snapshot;
  context_->logger.info("replication slot made", {{"connector", settings_.connector},
                                                  {"slot", settings_.slot_name},
                                                  {"start", std::string_view(lsn_text(start.next))}});
  return start;
}

Result<SourcePosition> PostgresSource::open(const SourceResume& resume, TaskContext& context) {
  close();
  context_ = &context;
  MILLRACE_TRY(connect());
  std::string exported;
  auto start = prepare(resume, exported);
  if (!start) return std::move(start).error();
  catalog_ = std::make_unique<Catalog>(*normal_, settings_, resume.schemas, memory_, context.logger);
  // What the log goes on from it has on disk: the server can be told before anything is read.
  durable_ = resume.position ? start->next : 0;
  if (settings_.snapshot_mode == SnapshotMode::kInitial && !resume.snapshot_complete) {
    snapshot_ = std::make_unique<TableSnapshot>(*normal_, *catalog_, settings_, context, *start,
                                                [this, from = *start] { return start_stream(from); });
    MILLRACE_TRY(snapshot_->begin(exported));
  } else {
    MILLRACE_TRY(start_stream(*start));
  }
  return to_source_position(*start);
}

Status PostgresSource::start_stream(const StreamPoint& from) {
  replication_->shrink_receive_buffer(Pace::kReceiveBuffer, Pace::kMaxRoundTripUs);
  MILLRACE_TRY(replication_->start_copy("starting replication from slot " + settings_.slot_name,
                                        start_replication_command(settings_, from.next)));
  decoder_ = std::make_unique<Decoder>(*catalog_, from);
  if (settings_.reselect.enabled()) {
    decoder_->note_unsent();
    reselector_.emplace(settings_, *context_);
  }
  pace_ = Pace(replication_->way());
  held_ = {};
  answered_ = from;
  answered_us_ = now();
  rows_since_us_ = 0;
  move_now_ = false;
  keep_alive_us_ = 0;
  goal_us_ = 0;
  status_us_ = 0;
  silence_.restart();
  streaming_ = true;
  return {};
}

Result<SourcePosition> PostgresSource::fill(BatchBuilder& out, std::int64_t until_us) {
  MILLRACE_CHECK(streaming_);
  const std::size_t rows_before = out.rows();
  if (out.empty()) rows_since_us_ = 0;
  do {
    MILLRACE_TRY(keep_up());
    MILLRACE_TRY(drain(out, until_us));
    if (held_.empty() && !out.full()) MILLRACE_TRY(notice_silence());
    if (rows_since_us_ == 0 && !out.empty()) rows_since_us_ = now();
  } while (wait(out, until_us));
  if (reselector_) MILLRACE_TRY(reselector_->fill_in(decoder_->take_unsent(), out));
  if (out.rows() > rows_before) MILLRACE_TRY(context_->failpoints.pass("postgres.after_read"));
  return answer(out);
}

/// Waits for more as the pace says; false when it is time to go back with what is there.
bool PostgresSource::wait(const BatchBuilder& out, std::int64_t until_us) {
  if (out.full() || !held_.empty() || context_->stop.stop_requested()) return false;
  const bool sleep = pace_.end_round();
  const std::int64_t now_us = now();
  if (now_us >= until_us) return false;
  if (sleep) {
    if (rows_since_us_ != 0 && now_us - rows_since_us_ >= kMaxHoldUs && !decoder_->in_transaction())
      return false;
    context_->clock.sleep_until(std::min(until_us, now_us + pace_.sleep_us()));
    return true;
  }
  if (!out.empty() && !decoder_->in_transaction()) return false;
  if (is_move_due()) return false;
  const std::int64_t status_due_us = status_us_ + settings_.status_interval_ms * 1000;
  static_cast<void>(replication_->wait_readable(std::min(until_us, std::max(status_due_us, now_us + 1000))));
  return true;
}

/// Whether more is to be taken in this round. A backlog of which nothing is kept never fills a batch, and
/// must hold up neither a stop nor what is to be told meanwhile.
Result<bool> PostgresSource::go_on(std::int64_t until_us) {
  MILLRACE_TRY(keep_up());
  return now() < until_us && !context_->stop.stop_requested();
}

/// Takes all that is at hand, until the batch is full; or, past a first while, until `until_us`.
Status PostgresSource::drain(BatchBuilder& out, std::int64_t until_us) {
  if (!held_.empty()) {
    if (out.full()) return {};
    MILLRACE_TRY(take(std::exchange(held_, {}), out));
  }
  const std::int64_t end_us = std::max(until_us, now() + kMaxHoldUs);
  std::uint32_t messages = 0;
  bool fresh = false;  // a read has just been made
  std::uint64_t read_start = replication_->received_bytes();
  std::uint64_t dry_start = read_start;
  while (true) {
    auto got = read_one(out);
    if (!got) return std::move(got).error();
    if (!held_.empty()) return {};
    if (*got) {
      fresh = false;
      if (++messages % kMessagesPerClock != 0) continue;
      auto more = go_on(end_us);
      if (!more) return std::move(more).error();
      if (!*more) return {};
      continue;
    }
    if (out.full()) return {};
    const std::uint64_t bytes = replication_->received_bytes();
    if (fresh || (pace_.catching_up() && bytes - read_start < Pace::kLastRead && bytes != read_start)) {
      if (!pace_.expects_window(bytes - dry_start)) return {};
      // A window's worth came, so there is more behind it, which the kernel may need a moment to bring.
      if (!replication_->wait_readable(now() + Pace::kNextWindowUs)) return {};
      dry_start = bytes;
    }
    read_start = bytes;
    fresh = true;
    MILLRACE_TRY(replication_->receive(kReading));
    out.set_received_us(context_->clock.wall_us());
  }
}

/// Takes one message if one is at hand. With a full batch only what adds no row to it, the end of a
/// transaction above all, so that its rows need not wait for the next batch; anything else is held.
Result<bool> PostgresSource::read_one(BatchBuilder& out) {
  std::string_view bytes;
  auto got = replication_->next(kReading, bytes);
  if (!got) return std::move(got).error();
  if (*got == Connection::Copy::kNothing) return false;
  if (*got == Connection::Copy::kEnd) {
    return reconnect_error("the server has ended the stream",
                           "It is shutting down, or the slot was taken away.");
  }
  pace_.received(bytes.size());
  constexpr std::size_t kTypeAt = 25;  // behind the frame's head
  const bool ends = bytes.size() > kTypeAt && bytes[kTypeAt] == static_cast<char>(MessageType::kCommit);
  if (out.full() && bytes.front() == 'w' && !ends) {
    held_ = bytes;
    return true;
  }
  MILLRACE_TRY(take(bytes, out));
  return true;
}

/// One message into the decoder. What stops us is told with its place in the server's log.
Status PostgresSource::apply(const Frame& frame, BatchBuilder& out) {
  const std::size_t told = decoder_->unparsed_columns().size();
  Status done = decoder_->apply(frame.payload, frame.start, out);
  for (std::size_t i = told; i < decoder_->unparsed_columns().size(); ++i) {
    const std::string& column = decoder_->unparsed_columns()[i];
    if (!memory_.tell(column)) continue;
    context_->logger.warn("values that cannot be read as their column's type are kept as text",
                          {{"connector", settings_.connector},
                           {"column", std::string_view(column)},
                           {"position", std::string_view(lsn_text(frame.start))}});
  }
  if (!done && done.error().next == Next::kStop) {
    done.error().message += " (at " + lsn_text(frame.start) + decoder_->place() + ")";
  }
  return done;
}

Status PostgresSource::take(std::string_view bytes, BatchBuilder& out) {
  Frame frame;
  MILLRACE_TRY(parse_frame(bytes, frame));
  if (frame.kind == Frame::Kind::kData) {
    keep_alive_us_ = 0;
    return apply(frame, out);
  }
  MILLRACE_TRY(decoder_->advance(frame.wal_end));
  keep_alive_us_ = now();
  if (frame.wal_end + kSameEnd >= goal_) goal_us_ = 0;
  server_end_ = std::max(server_end_, frame.wal_end);
  if (!frame.reply_requested) return {};
  // A server that shuts down asks until we have confirmed all it sent: our position moves without waiting its
  // turn.
  move_now_ = true;
  return send_status(false);
}

/// Whether a position that moved without rows is to be told now. Each move is a synced write, so only now and
/// then; but the end of a transaction whose rows are in the log shows them to readers, so that is told at
/// once.
bool PostgresSource::is_move_due() const {
  const StreamPoint& current = decoder_->position();
  if (current == answered_) return false;
  const bool completes = answered_.open_rows > 0 && current.open_rows == 0;
  return completes || move_now_ || now() - answered_us_ >= settings_.heartbeat_interval_ms * 1000;
}

SourcePosition PostgresSource::answer(const BatchBuilder& out) {
  if (!out.empty() || is_move_due()) {
    answered_ = decoder_->position();
    answered_us_ = now();
    move_now_ = false;
  }
  return to_source_position(answered_);
}

Status PostgresSource::keep_up() {
  const std::int64_t now_us = now();
  look_at_server(now_us);
  if (now_us - status_us_ < settings_.status_interval_ms * 1000) return {};
  return send_status(true);
}

/// Ends a stream that says nothing when it is to be taken for dead; see silence.h. Only after all at hand has
/// been read.
Status PostgresSource::notice_silence() {
  silence_.heard(replication_->heard_bytes());
  const std::int64_t lasted_us = silence_.enough(now());
  if (lasted_us == 0) return {};
  silence_.give_up(decoder_->position().next);
  return reconnect_error("the server has sent nothing for " + std::to_string(lasted_us / 1'000'000) +
                             " s, though it was asked to",
                         "The connection is taken for dead and made anew; check the network on the way.");
}

Status PostgresSource::send_status(bool request_reply) {
  status_us_ = now();
  if (request_reply) silence_.asked(status_us_);
  return replication_->send_copy("telling the server our position",
                                 standby_status(durable_, context_->clock.wall_us(), request_reply));
}

Status PostgresSource::acknowledge(const SourcePosition& durable) {
  auto point = to_stream_point(durable);
  if (!point) return std::move(point).error();
  if (!streaming_) return {};
  durable_ = std::max(durable_, point->next);
  MILLRACE_TRY(context_->failpoints.pass("postgres.before_acknowledge"));
  MILLRACE_TRY(send_status(false));
  return context_->failpoints.pass("postgres.after_acknowledge");
}

/// Asks now and then how far the server's log has got and how much of it the slot holds back. Never waits;
/// what it cannot learn it leaves unknown.
void PostgresSource::look_at_server(std::int64_t now_us) {
  constexpr std::string_view kWhat = "asking for the server's position";
  if (asking_) {
    auto rows = normal_->poll_query(kWhat);
    if (rows && !rows->has_value()) return;
    asking_ = false;
    retained_bytes_ = -1;
    if (!rows || (*rows)->empty()) return;
    const QueryRow& row = (*rows)->front();
    if (row[2] == "t") silence_.answered(now_us);
    const Lsn end = parse_lsn(row[0].value_or("")).value_or(0);
    if (goal_us_ == 0 && end > server_end_ + kSameEnd) {
      goal_ = end;
      goal_us_ = now_us;
    }
    server_end_ = std::max(server_end_, end);
    retained_bytes_ = parse_int64(row[1].value_or("")).value_or(-1);
    return;
  }
  const std::int64_t every_us =
      silence_.is_waiting() ? std::min(kAskServerUs, settings_.status_interval_ms * 1000) : kAskServerUs;
  if (asked_us_ != 0 && now_us - asked_us_ < every_us) return;
  asked_us_ = now_us;
  asking_ = normal_
                ->send_query(kWhat,
                             "SELECT pg_current_wal_flush_lsn(), pg_wal_lsn_diff(pg_current_wal_flush_lsn(), "
                             "restart_lsn)::int8, active FROM pg_replication_slots WHERE slot_name = " +
                                 quote_literal(settings_.slot_name))
                .has_value();
}

SourceStatus PostgresSource::status() const {
  SourceStatus out;
  if (!decoder_) return out;
  out.position = lsn_text(decoder_->position().next);
  out.last_commit_us = decoder_->last_commit_us();
  out.retained_bytes = retained_bytes_;
  const Lsn received = std::max(decoder_->received(), decoder_->position().next);
  if (server_end_ != 0)
    out.lag_bytes = server_end_ > received ? static_cast<std::int64_t>(server_end_ - received) : 0;
  // A walsender that works through what nobody captured sends keep-alives too, from where it stands. One that
  // is not behind answers from the end with our next status.
  const bool behind = goal_us_ != 0 && now() - goal_us_ > settings_.status_interval_ms * 1000 + kReplyUs;
  out.idle = keep_alive_us_ != 0 && !behind && !decoder_->in_transaction() &&
             now() - keep_alive_us_ < kIdleIntervals * settings_.status_interval_ms * 1000;
  return out;
}

void PostgresSource::close() {
  const bool drop = settings_.drop_slot_on_stop && streaming_ && context_->stop.stop_requested();
  streaming_ = false;
  held_ = {};
  reselector_.reset();
  decoder_.reset();
  snapshot_.reset();
  catalog_.reset();
  replication_.reset();
  if (drop) {
    // The stop has been asked for, so this connection is one that no longer listens to it.
    auto last = Connection::open(settings_.connection, Connection::Kind::kNormal, context_->clock, {});
    const std::vector<std::string> parameters = {settings_.slot_name};
    if (!last ||
        !(*last)->query("dropping the slot", "SELECT pg_drop_replication_slot($1)", parameters, 2000)) {
      context_->logger.warn("the replication slot could not be dropped",
                            {{"connector", settings_.connector}, {"slot", settings_.slot_name}});
    }
  }
  normal_.reset();
  asking_ = false;
  asked_us_ = 0;
  retained_bytes_ = -1;
  server_end_ = 0;
}

}  // namespace millrace::postgres
