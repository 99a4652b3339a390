#include "sink/redis/sink.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "sink/redis/client/servers.h"
#include "sink/redis/delivery.h"
#include "sink/redis/index_watch.h"
#include "sink/redis/lane.h"
#include "sink/redis/output_notes.h"
#include "sink/redis/position_store.h"
#include "sink/redis/prepare.h"
#include "sink/redis/slot_move.h"
#include "sink/redis/stale_watch.h"
#include "sink/redis/truncation.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kMaxHeldBytes = 64U << 20U;
constexpr std::int64_t kStepUs = 100'000;
constexpr std::size_t kMaxStreamsSent = 65'536;

class RedisSink final : public Sink {
 public:
  explicit RedisSink(Settings settings) : settings_(std::move(settings)) {
    for (const Output& output : settings_.outputs) lanes_.push_back(std::make_unique<Lane>(output));
  }

  Result<std::optional<LogPosition>> open(TaskContext& context) override;
  void parked(std::span<const Rejected> rows) override;
  void unparked(const Rejected& row) override;
  Status write(const ReadBatch& rows) override;
  Result<Settled> poll(std::int64_t until_us) override;
  Result<Resent> resend(const ReadBatch& rows, std::string_view output) override;
  Status settled(const LogPosition& durable) override;
  [[nodiscard]] SinkStatus status() const override;
  void close() override;

 private:
  Status find_output(const ReadBatch& rows, std::string_view output);
  Status refuse_other_log(const std::string& foreign) const;
  Status learn_columns(const std::vector<TopicColumns>& known);
  void send_columns();
  Status forget_streams();
  Status add_rows(const ReadBatch& rows, std::uint32_t first, std::uint32_t end, bool replayed);
  Status add_row(const ReadBatch& rows, std::uint32_t row, bool replayed);
  void begin(const ReadBatch& rows, bool replayed);
  Status wait_for_bases(const std::vector<std::pair<Lane*, Overlay>>& overlays);
  Status flush(const LogPosition& after);
  Status flush_held();
  Status drop_held();
  Status move_row(const ReadBatch& rows, std::uint32_t row);
  Status move_in_cluster(const ReadBatch& rows, std::uint32_t row);
  Status truncate(const ReadBatch& rows, std::uint32_t row);
  [[nodiscard]] LogPosition position_at(const ReadBatch& rows, std::uint32_t row) const;

  Settings settings_;
  std::vector<std::unique_ptr<Lane>> lanes_;  ///< one an output
  TaskContext* context_ = nullptr;
  std::unique_ptr<Servers> servers_;
  std::optional<PositionStore> store_;
  std::optional<Delivery> delivery_;
  std::optional<OutputWatch> outputs_;
  std::optional<StaleWatch> stale_;  ///< with a guard
  std::optional<IndexWatch> watch_;

  LogPosition replay_until_;        ///< rows before it have been applied, or may have been
  LogPosition sent_;                ///< up to where rows were sent on this connection
  LogPosition sure_;                ///< what was applied for certain when rows were refused
  LogPosition doubtful_;            ///< up to where rows may have been applied then, in part
  LogPosition durable_;             ///< last position settled on this connection
  LogPosition held_after_;          ///< where the reader stands after the rows held
  std::size_t held_bytes_ = 0;      ///< of batches whose rows wait in the encoder
  bool forget_position_ = false;    ///< what Redis says is not so: it has lost what was there before
  const Lane* only_ = nullptr;      ///< the lane that rows go to; none: all that take their topics
  std::vector<Rejected> rejected_;  ///< while encoding, until the group they go with is sent
  std::vector<Lane*> moving_;       ///< lanes in which the row at hand has to move
  std::vector<Lane*> truncating_;   ///< lanes whose keys the row at hand removes
};

Result<std::optional<LogPosition>> RedisSink::open(TaskContext& context) {
  close();
  context_ = &context;
  auto servers = Servers::connect(settings_.client, context.clock, context.stop);
  if (!servers) return std::move(servers).error();
  servers_ = std::move(*servers);
  servers_->set_wait(settings_.wait_replicas, settings_.wait_timeout_ms);
  outputs_.emplace(settings_.outputs, settings_.index_poll_ms, context);
  const auto is_behind = [this](const std::string& output) { return outputs_->is_behind(output); };
  watch_.emplace(settings_.indexes,
                 WatchOptions{settings_.index_poll_ms, settings_.drop_removed_indexes, is_behind}, context);
  MILLRACE_TRY(prepare_lanes(*servers_, lanes_));
  if (!servers_->is_cluster()) MILLRACE_TRY(watch_->prepare(servers_->client(0)));
  store_.emplace(*servers_, settings_.connector, context.log_id);
  if (forget_position_) MILLRACE_TRY(store_->forget());
  forget_position_ = false;
  auto found = store_->read();
  if (!found) return std::move(found).error();
  MILLRACE_TRY(refuse_other_log(found->foreign));
  MILLRACE_TRY(store_->arrange(*found));
  MILLRACE_TRY(outputs_->prepare(*servers_, found->start == LogPosition() && found->begun == LogPosition()));
  MILLRACE_TRY(learn_columns(found->columns));
  durable_ = {};  // rows before the start may have been refused, and nobody told: see write
  sent_ = found->start;
  if (!found->start.covers(sure_)) doubtful_ = {};  // it has other data by now
  replay_until_ = furthest(found->begun, doubtful_);
  if (std::ranges::any_of(settings_.outputs, [](const Output& one) { return one.target.guard.has_value(); }))
    stale_.emplace(context);
  delivery_.emplace(*servers_, *store_, settings_, context, *found);
  return std::optional(found->start);
}

/// The ids in streams are places in the log: those of another log say nothing of this one, and Redis would
/// refuse what is below them. `foreign`: the key under which another log has left its position, or nothing.
Status RedisSink::refuse_other_log(const std::string& foreign) const {
  const auto is_stream = [](const auto& lane) { return lane->target().type == TargetType::kStream; };
  if (foreign.empty() || std::ranges::none_of(lanes_, is_stream)) return {};
  return stop_error(
      "the streams in Redis were written from another log, whose places their ids are",
      "give target.key another name, so that new streams begin; or remove the streams and " + foreign);
}

/// Which fields the hashes may have of columns that are gone by now.
Status RedisSink::learn_columns(const std::vector<TopicColumns>& known) {
  for (const auto& lane : lanes_) {
    if (lane->keeps_columns()) lane->know_columns(known);
  }
  return {};
}

/// In front of the first row that has a new column.
void RedisSink::send_columns() {
  for (const auto& lane : lanes_) {
    if (!lane->keeps_columns()) continue;
    for (const auto& [topic, names] : lane->encoder().plans().take_new_columns()) {
      for (std::size_t i = 0; i < servers_->size(); ++i)
        delivery_->send_command(i, columns_command(store_->key(i), lane->columns_name(topic), names));
    }
  }
}

LogPosition RedisSink::position_at(const ReadBatch& rows, std::uint32_t row) const {
  LogPosition position = rows.after;
  if (!rows.resent) position.set({rows.stream, rows.sequence, row});
  return position;
}

void RedisSink::parked(std::span<const Rejected> rows) {
  for (const Rejected& row : rows) {
    for (const auto& lane : lanes_) {
      const bool of_any = row.output.empty() && lane->takes_topic(row.topic);  // of an earlier version
      if (of_any || row.output == lane->name()) lane->parked().add(row);
    }
  }
}

void RedisSink::unparked(const Rejected& row) {
  for (const auto& lane : lanes_) {
    if (row.output.empty() || row.output == lane->name()) lane->parked().remove(row);
  }
}

Status RedisSink::write(const ReadBatch& rows) {
  if (!delivery_) return reconnect_error("the Redis sink is not open");
  MILLRACE_TRY(forget_streams());
  const StreamPosition applied = replay_until_.at(rows.stream);
  std::uint32_t replay_end = rows.first_row;
  if (rows.sequence < applied.sequence) replay_end = rows.end_row;
  if (rows.sequence == applied.sequence) replay_end = std::clamp(applied.row, rows.first_row, rows.end_row);

  if (replay_end > rows.first_row || (held_bytes_ > 0 && rows.first_row == rows.end_row)) {
    // A truncation may have been done that the position does not tell of yet.
    std::uint32_t overlay_end = replay_end;
    while (overlay_end < rows.end_row && rows.batch->records()[overlay_end].op == Op::kTruncate)
      ++overlay_end;
    MILLRACE_TRY(add_rows(rows, rows.first_row, overlay_end, true));
    held_bytes_ += rows.batch ? rows.batch->image_bytes() + 1 : 1;
    held_after_ = replay_end == rows.end_row ? rows.after : position_at(rows, replay_end);
    if (replay_end == rows.end_row) {
      if (rows.after.covers(replay_until_)) return flush_held();
      const bool no_more = rows.first_row == rows.end_row;
      return no_more || held_bytes_ >= kMaxHeldBytes ? drop_held() : Status();
    }
  }
  MILLRACE_TRY(held_after_.covers(replay_until_) ? flush_held() : drop_held());
  MILLRACE_TRY(add_rows(rows, replay_end, rows.end_row, false));
  return flush(rows.after);
}

/// What streams were sent is of use while it is in flight only, and must not grow for ever.
Status RedisSink::forget_streams() {
  const auto is_long = [](const auto& lane) { return lane->writer().target().sent() > kMaxStreamsSent; };
  if (!delivery_->flow().idle() && std::ranges::none_of(lanes_, is_long)) return {};
  MILLRACE_TRY(delivery_->flow().drain());
  for (const auto& lane : lanes_) lane->writer().target().forget_sent();
  return {};
}

void RedisSink::begin(const ReadBatch& rows, bool replayed) {
  for (const auto& lane : lanes_) lane->begin(rows, replayed);
}

Status RedisSink::add_rows(const ReadBatch& rows, std::uint32_t first, std::uint32_t end, bool replayed) {
  if (first == end) return {};
  begin(rows, replayed);
  for (std::uint32_t row = first; row < end; ++row) {
    if (rows.selected(row)) MILLRACE_TRY(add_row(rows, row, replayed));
  }
  return {};
}

/// What is sent in between stands for the rows before this one. Lanes that have taken the row by then do it
/// again after a crash, which leads to the same.
Status RedisSink::add_row(const ReadBatch& rows, std::uint32_t row, bool replayed) {
  moving_.clear();
  truncating_.clear();
  for (const auto& lane : lanes_) {
    if (!lane->takes(row) || (only_ != nullptr && only_ != lane.get())) continue;
    std::size_t known = rejected_.size();
    auto taken = lane->encoder().add(row, rejected_);
    if (taken == Encoder::Taken::kFlush) {
      MILLRACE_TRY(flush(position_at(rows, row)));
      begin(rows, replayed);
      known = rejected_.size();
      taken = lane->encoder().add(row, rejected_);      // it may turn out to be a move
      MILLRACE_CHECK(taken != Encoder::Taken::kFlush);  // what stood in the way is gone
    }
    lane->parked().add(std::span(rejected_).subspan(known));
    if (taken == Encoder::Taken::kMove) moving_.push_back(lane.get());
    if (taken == Encoder::Taken::kTruncate) truncating_.push_back(lane.get());
  }
  if (moving_.empty() && truncating_.empty()) return {};
  MILLRACE_TRY(moving_.empty() ? truncate(rows, row) : move_row(rows, row));
  begin(rows, replayed);
  return {};
}

Status RedisSink::flush_held() {
  if (held_bytes_ == 0) return {};
  held_bytes_ = 0;
  return flush(held_after_);
}

/// Before the last row that was applied is reached: what is held is older than what Redis has, and would undo
/// it. Rows that only Redis can reject are then not found again. Where it is not sure that all was applied,
/// it is written all the same.
Status RedisSink::drop_held() {
  if (held_bytes_ == 0) return {};
  if (servers_->is_cluster() || !doubtful_.streams().empty()) return flush_held();
  std::size_t dropped = 0;
  for (const auto& lane : lanes_) dropped += lane->encoder().take().entries.size();
  context_->logger.warn(
      "what was written shortly before the restart was not looked at again for rejected rows",
      {{"connector", context_->connector}, {"keys", std::to_string(dropped)}});
  return flush_held();
}

/// Sends what was overlaid in groups; the last ones stand for everything before `after`.
Status RedisSink::flush(const LogPosition& after) {
  sent_ = furthest(sent_, after);
  send_columns();
  std::vector<std::pair<Lane*, Overlay>> overlays;
  for (const auto& lane : lanes_) {
    Overlay taken = lane->encoder().take();
    if (!taken.empty()) overlays.emplace_back(lane.get(), std::move(taken));
  }
  MILLRACE_TRY(wait_for_bases(overlays));  // nothing is gathered yet
  for (auto& [lane, overlay] : overlays) {
    lane->parked().hold_back(overlay, lane->target().merge, rejected_);
    auto kept = std::make_shared<const Overlay>(std::move(overlay));
    MILLRACE_TRY(delivery_->add(*lane, kept, after, rejected_));
  }
  return delivery_->finish(after, std::exchange(rejected_, {}));
}

/// What builds on the state of a key in Redis must find there what it builds on: rows of that key that are in
/// flight are waited for, and if one was refused, this one is parked behind it.
Status RedisSink::wait_for_bases(const std::vector<std::pair<Lane*, Overlay>>& overlays) {
  if (delivery_->flow().idle()) return {};
  const bool waits = std::ranges::any_of(overlays, [this](const auto& one) {
    const auto hashes = one.first->parked().waiting(one.second, one.first->target().merge);
    return !hashes.empty() && delivery_->flow().has_any_of(hashes);
  });
  return waits ? delivery_->flow().drain() : Status();
}

/// A change of key that keeps values only Redis has: alone in flight, its position in the same script. Of
/// several outputs the last one's settles the row; one that was done before a crash is found done.
Status RedisSink::move_row(const ReadBatch& rows, std::uint32_t row) {
  MILLRACE_TRY(flush(position_at(rows, row)));
  MILLRACE_TRY(delivery_->flow().drain());
  begin(rows, false);
  if (servers_->is_cluster()) return move_in_cluster(rows, row);
  for (Lane* lane : moving_) {
    const bool last = lane == moving_.back();
    std::string from;
    Overlay move = lane->encoder().take_move(row, from, rejected_);
    if (lane->parked().hold_back_move(move, from, rejected_)) move = {};
    MILLRACE_TRY(delivery_->send_move(*lane, std::move(move), from, position_at(rows, last ? row + 1 : row),
                                      last, std::exchange(rejected_, {})));
  }
  return {};
}

/// The position is past the row before the old document goes; see move_between_slots.
Status RedisSink::move_in_cluster(const ReadBatch& rows, std::uint32_t row) {
  MILLRACE_TRY(delivery_->settle_positions());  // which tells whether they are still there
  std::vector<std::string> leaving;
  for (Lane* lane : moving_) {
    std::string from;
    const Overlay overlay = lane->encoder().take_move(row, from, rejected_);
    if (overlay.empty() || lane->parked().hold_back_move(overlay, from, rejected_)) continue;
    MILLRACE_TRY(move_between_slots(*servers_, *lane, overlay, from, rejected_, leaving));
  }
  MILLRACE_TRY(context_->failpoints.pass("redis.in_move"));
  MILLRACE_TRY(flush(position_at(rows, row + 1)));
  MILLRACE_TRY(delivery_->flow().drain());
  MILLRACE_TRY(delivery_->settle_positions());
  MILLRACE_TRY(context_->failpoints.pass("redis.in_move"));
  for (const std::string& key : leaving) delivery_->send_command(servers_->node_of(key), {"UNLINK", key});
  MILLRACE_TRY(delivery_->flow().drain());
  return context_->failpoints.pass("redis.in_move");
}

/// Removes what is under the keys of the row's topic in portions, between the writes before and after it.
Status RedisSink::truncate(const ReadBatch& rows, std::uint32_t row) {
  std::vector<Rejected> rejected;
  struct Cleared {
    Lane* lane;
    const TablePlan* plan;
    std::vector<RowKey> keys;
  };
  std::vector<Cleared> cleared;
  for (Lane* lane : truncating_) {
    Encoder& encoder = lane->encoder();
    cleared.push_back({lane, &encoder.topic_plan(row), encoder.topic_keys(row, rejected)});
  }
  MILLRACE_TRY(flush(position_at(rows, row)));
  MILLRACE_TRY(delivery_->flow().drain());
  rejected_ = std::move(rejected);
  const KeyForms forms(settings_.outputs, settings_.topics);
  const std::string_view topic = rows.batch->topics()[rows.batch->records()[row].topic];
  const Truncation with{*servers_, *store_, *delivery_, *context_, forms, topic};
  for (const auto& [lane, plan, keys] : cleared) {
    for (const RowKey& key : keys) MILLRACE_TRY(remove_keys(with, *lane, *plan, key));
  }
  return {};
}

Result<Settled> RedisSink::poll(std::int64_t until_us) {
  if (!delivery_) return reconnect_error("the Redis sink is not open");
  MILLRACE_TRY(context_->failpoints.pass("redis.before_poll"));
  Settled out;
  for (bool over = false;;) {
    const std::int64_t now_us = context_->clock.now_us();
    if (held_bytes_ == 0) delivery_->keep_positions();
    Flow& flow = delivery_->flow();
    outputs_->step_if_due(*servers_, flow);
    if (!servers_->is_cluster()) watch_->step_if_due(servers_->client(0), flow.pipeline(0));
    MILLRACE_TRY(servers_->send());
    MILLRACE_TRY(flow.take_replies());
    if (stale_) stale_->step(flow.guarded());
    if (auto settled = flow.take_settled(out.rejected)) {
      durable_ = std::move(*settled);
      if (durable_.covers(doubtful_)) doubtful_ = {};
      break;
    }
    if (over) break;
    // However short the time: what has come is read, so that a connection that is gone is noticed.
    over = now_us >= until_us || context_->stop.stop_requested();
    MILLRACE_TRY(servers_->exchange(over ? now_us : std::min(until_us, now_us + kStepUs), true));
  }
  out.durable = durable_;
  for (const auto& lane : lanes_) lane->parked().take_overtaken(durable_, out.overtaken);
  return out;
}

/// Letters of an earlier version name no output: they go to all that take their topic.
Status RedisSink::find_output(const ReadBatch& rows, std::string_view output) {
  const std::string_view topic = rows.batch->topics()[rows.batch->records()[rows.first_row].topic];
  only_ = nullptr;
  bool taken = false;
  for (const auto& lane : lanes_) {
    if (lane->name() == output) only_ = lane.get();
    taken = taken || (lane->takes_topic(topic) && (output.empty() || lane->name() == output));
  }
  if (only_ == nullptr && !output.empty())
    return reject_error("the sink has no output " + std::string(output) + " any more");
  return taken ? Status() : reject_error("the topic goes to no output of that name any more");
}

Result<Resent> RedisSink::resend(const ReadBatch& rows, std::string_view output) {
  if (!delivery_) return reconnect_error("the Redis sink is not open");
  MILLRACE_CHECK(rows.resent);
  MILLRACE_TRY(flush_held());  // rows of topics that it does not take
  MILLRACE_TRY(find_output(rows, output));
  const std::uint64_t stale = delivery_->flow().guarded().stale;
  Status added = add_rows(rows, rows.first_row, rows.end_row, false);
  only_ = nullptr;
  MILLRACE_TRY(std::move(added));
  MILLRACE_TRY(flush(rows.after));
  MILLRACE_TRY(delivery_->flow().drain());
  Resent out;
  if (auto settled = delivery_->flow().take_settled(out.rejected)) durable_ = std::move(*settled);
  out.overtaken = delivery_->flow().guarded().stale > stale;
  return out;
}

Status RedisSink::settled(const LogPosition& /*durable*/) { return {}; }

SinkStatus RedisSink::status() const {
  SinkStatus out;
  if (delivery_) out.queued_bytes = static_cast<std::int64_t>(delivery_->flow().bytes() + held_bytes_);
  if (outputs_) out.warnings = outputs_->warnings();
  if (watch_) std::ranges::copy(watch_->warnings(), std::back_inserter(out.warnings));
  if (stale_) std::ranges::copy(stale_->warnings(), std::back_inserter(out.warnings));
  for (const auto& lane : lanes_) {
    const std::vector<std::string>& more = lane->encoder().plans().warnings();
    out.warnings.insert(out.warnings.end(), more.begin(), more.end());
  }
  return out;
}

void RedisSink::close() {
  if (delivery_) {
    if (!delivery_->leave_positions(held_bytes_ > 0)) forget_position_ = true;
    if (delivery_->flow().refused()) {
      doubtful_ = furthest(doubtful_, sent_);
      sure_ = delivery_->flow().pipeline(0).written();
    }
  }
  watch_.reset();
  outputs_.reset();
  stale_.reset();
  delivery_.reset();
  store_.reset();
  servers_.reset();
  for (const auto& lane : lanes_) {
    static_cast<void>(lane->encoder().take());
    lane->parked().clear();
  }
  rejected_.clear();
  held_bytes_ = 0;
}

}  // namespace

Result<std::unique_ptr<Sink>> make_redis_sink(Settings settings) {
  return std::unique_ptr<Sink>(std::make_unique<RedisSink>(std::move(settings)));
}

}  // namespace millrace::redis
