#include "sink/redis/sink.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "sink/redis/commands.h"
#include "sink/redis/index_watch.h"
#include "sink/redis/lane.h"
#include "sink/redis/output_notes.h"
#include "sink/redis/pipeline.h"
#include "sink/redis/position.h"
#include "sink/redis/scripts.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kMaxGroupBytes = 256U << 10U;
constexpr std::size_t kMaxHeldBytes = 64U << 20U;
constexpr std::int64_t kMaxHeldUs = 1'000'000;
constexpr std::int64_t kPositionEveryUs = 1'000'000;
constexpr std::int64_t kStepUs = 100'000;

class RedisSink final : public Sink {
 public:
  explicit RedisSink(Settings settings)
      : settings_(std::move(settings)), position_key_(position_key(settings_.connector)) {
    for (const Output& output : settings_.outputs) lanes_.push_back(std::make_unique<Lane>(output));
  }

  Result<std::optional<LogPosition>> open(TaskContext& context) override;
  Status write(const ReadBatch& rows) override;
  Result<Settled> poll(std::int64_t until_us) override;
  Result<std::vector<Rejected>> resend(const ReadBatch& rows) override;
  Status settled(const LogPosition& durable) override;
  [[nodiscard]] SinkStatus status() const override;
  void close() override;

 private:
  Status prepare_server();
  Status prepare_lane(Lane& lane);
  Result<std::size_t> learn_limit();
  Status refuse_other_log(const Reply& reply) const;
  Status learn_columns();
  void send_columns();
  Status add_rows(const ReadBatch& rows, std::uint32_t first, std::uint32_t end, bool replayed);
  Status add_row(const ReadBatch& rows, std::uint32_t row, bool replayed);
  void begin(const ReadBatch& rows, bool replayed);
  Status flush(const LogPosition& after, bool write_position);
  Status flush_held();
  Status drop_held();
  Status send_group(Group group, std::size_t start);
  Status move_row(const ReadBatch& rows, std::uint32_t row);
  Status move_in(Lane& lane, std::uint32_t row, const LogPosition& after, bool settles);
  Status truncate(const ReadBatch& rows, std::uint32_t row);
  Status clear_keys(const TargetWriter& target, const RowKey& keys, std::string_view prefix,
                    std::string_view type);
  void send_command(const std::vector<std::string>& command);
  Status drain();
  Group wait_for_replicas(Group& group);
  Status keep_bound();
  void keep_position_if_due();
  void send_position();
  LogPosition append_position(const LogPosition& position);
  void leave_position();
  [[nodiscard]] LogPosition position_at(const ReadBatch& rows, std::uint32_t row) const;

  Settings settings_;
  std::string position_key_;
  std::vector<std::unique_ptr<Lane>> lanes_;  ///< one an output
  TaskContext* context_ = nullptr;
  std::unique_ptr<Client> client_;
  std::optional<Pipeline> pipeline_;
  std::optional<OutputWatch> outputs_;
  std::optional<IndexWatch> watch_;

  LogPosition applied_;         ///< of the target when it was opened: rows before it have been applied
  LogPosition replay_until_;    ///< rows before it have been applied, or were sent when others were refused
  LogPosition sent_;            ///< up to where rows were sent on this connection
  LogPosition sure_;            ///< what was applied for certain when rows were refused
  LogPosition doubtful_;        ///< up to where rows may have been applied then, in part
  LogPosition durable_;         ///< last position settled
  LogPosition held_after_;      ///< where the reader stands after the rows held
  std::size_t held_bytes_ = 0;  ///< of batches whose rows wait in the encoder
  std::int64_t held_since_us_ = 0;   ///< when the last of them came
  std::int64_t position_at_us_ = 0;  ///< when it was last written or asked for
  bool forget_position_ = false;     ///< what Redis says is not so: it has lost what was there before
  std::vector<Rejected> rejected_;   ///< while encoding, until the group they go with is sent
  std::vector<Lane*> moving_;        ///< lanes in which the row at hand has to move
  std::vector<Lane*> truncating_;    ///< lanes whose keys the row at hand removes
};

Result<std::optional<LogPosition>> RedisSink::open(TaskContext& context) {
  close();
  context_ = &context;
  auto client = Client::connect(settings_.client, context.clock, context.stop);
  if (!client) return std::move(client).error();
  client_ = std::move(*client);
  outputs_.emplace(settings_.outputs, settings_.index_poll_ms, context);
  const auto is_behind = [this](const std::string& output) { return outputs_->is_behind(output); };
  watch_.emplace(settings_.indexes,
                 WatchOptions{settings_.index_poll_ms, settings_.drop_removed_indexes, is_behind}, context);
  MILLRACE_TRY(prepare_server());
  MILLRACE_TRY(watch_->prepare(*client_));
  if (forget_position_) {
    const auto forgotten = client_->call({"UNLINK", position_key_});
    if (!forgotten) return forgotten.error();
    if (forgotten->is_error()) return reply_error("UNLINK " + position_key_, forgotten->text);
    forget_position_ = false;
  }
  auto reply = client_->call({"HMGET", position_key_, "log", "position"});
  if (!reply) return std::move(reply).error();
  if (reply->is_error()) return reply_error("to show the position under " + position_key_, reply->text);
  auto position = read_position(*reply, position_key_, context.log_id);
  if (!position) return std::move(position).error();
  MILLRACE_TRY(refuse_other_log(*reply));
  MILLRACE_TRY(outputs_->prepare(*client_, *position == LogPosition()));
  MILLRACE_TRY(learn_columns());
  applied_ = *position;
  durable_ = applied_;
  sent_ = applied_;
  if (!applied_.covers(sure_)) doubtful_ = {};  // it has other data by now
  replay_until_ = furthest(applied_, doubtful_);
  const auto is_there = [](const Reply& field) { return field.kind != Reply::Kind::kNull; };
  pipeline_.emplace(*client_, applied_,
                    std::all_of(reply->elements.begin(), reply->elements.end(), is_there));
  return std::optional(applied_);
}

/// The ids in streams are places in the log: those of another log say nothing of this one, and Redis would
/// refuse what is below them.
Status RedisSink::refuse_other_log(const Reply& reply) const {
  const auto is_stream = [](const auto& lane) { return lane->target().type == TargetType::kStream; };
  const auto stream = std::ranges::find_if(lanes_, is_stream);
  const std::string& log = reply.elements.front().text;
  if (stream == lanes_.end() || log.empty() || log == context_->log_id) return {};
  return stop_error(
      "the streams in Redis were written from another log, whose places their ids are",
      "give target.key another name, so that new streams begin; or remove the streams and " + position_key_);
}

/// Which fields the hashes may have of columns that are gone by now.
Status RedisSink::learn_columns() {
  if (std::ranges::none_of(lanes_, [](const auto& lane) { return lane->keeps_columns(); })) return {};
  auto reply = client_->call({"HGETALL", position_key_});
  if (!reply) return std::move(reply).error();
  if (reply->is_error()) return reply_error("to show " + position_key_, reply->text);
  const std::vector<TopicColumns> known = read_columns(*reply);
  for (const auto& lane : lanes_) lane->know_columns(known);
  return {};
}

/// In front of the first row that has a new column.
void RedisSink::send_columns() {
  for (const auto& lane : lanes_) {
    if (!lane->keeps_columns()) continue;
    for (const auto& [topic, names] : lane->encoder().plans().take_new_columns()) {
      send_command(columns_command(position_key_, lane->columns_name(topic), names));
    }
  }
}

Status RedisSink::prepare_server() {
  const auto is_json = [](const auto& lane) { return lane->target().type == TargetType::kJson; };
  if (std::ranges::any_of(lanes_, is_json)) {
    auto known = client_->call({"COMMAND", "INFO", "JSON.SET"});
    if (!known) return std::move(known).error();
    const bool missing =
        known->is_array() && !known->elements.empty() && known->elements.front().elements.empty();
    if (missing) {
      return stop_error("the Redis server has no JSON module (ReJSON)",
                        "use Redis Stack or Redis 8, or target.type: hash");
    }
  }
  const auto limit = learn_limit();
  if (!limit) return limit.error();
  for (const auto& lane : lanes_) {
    MILLRACE_TRY(prepare_lane(*lane));
    lane->writer().target().set_max_value_bytes(*limit);
  }
  return {};
}

Status RedisSink::prepare_lane(Lane& lane) {
  std::vector<std::string> names;
  for (const std::string_view text : lane.writer().target().scripts()) {
    auto loaded = client_->call({"SCRIPT", "LOAD", std::string(text)});
    if (!loaded) return std::move(loaded).error();
    if (loaded->is_error()) return reply_error("SCRIPT LOAD", loaded->text);
    names.push_back(loaded->text);
  }
  lane.writer().target().set_scripts(std::move(names));
  return {};
}

/// A user who may not ask leaves us with the default.
Result<std::size_t> RedisSink::learn_limit() {
  auto reply = client_->call({"CONFIG", "GET", "proto-max-bulk-len"});
  if (!reply) return std::move(reply).error();
  const Reply* limit = reply->find("proto-max-bulk-len");
  const std::int64_t bytes = limit == nullptr ? 0 : limit->as_integer();
  return bytes > 0 ? static_cast<std::size_t>(bytes) : kDefaultMaxValueBytes;
}

LogPosition RedisSink::position_at(const ReadBatch& rows, std::uint32_t row) const {
  LogPosition position = rows.after;
  if (!rows.resent) position.set({rows.stream, rows.sequence, row});
  return position;
}

Status RedisSink::write(const ReadBatch& rows) {
  if (!client_) return reconnect_error("the Redis sink is not open");
  const StreamPosition applied = replay_until_.at(rows.stream);
  std::uint32_t replay_end = rows.first_row;
  if (rows.sequence < applied.sequence) replay_end = rows.end_row;
  if (rows.sequence == applied.sequence) replay_end = std::clamp(applied.row, rows.first_row, rows.end_row);

  if (replay_end > rows.first_row || (held_bytes_ > 0 && rows.first_row == rows.end_row)) {
    held_since_us_ = context_->clock.now_us();
    MILLRACE_TRY(add_rows(rows, rows.first_row, replay_end, true));
    held_bytes_ += rows.batch ? rows.batch->image_bytes() + 1 : 1;
    held_after_ = replay_end == rows.end_row ? rows.after : position_at(rows, replay_end);
    if (replay_end == rows.end_row) {
      const bool whole = rows.after.covers(replay_until_);
      if (!whole && held_bytes_ < kMaxHeldBytes) return {};
      return whole ? flush_held() : drop_held();
    }
  }
  MILLRACE_TRY(held_after_.covers(replay_until_) ? flush_held() : drop_held());
  MILLRACE_TRY(add_rows(rows, replay_end, rows.end_row, false));
  return flush(rows.after, true);
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
    if (!lane->takes(row)) continue;
    auto taken = lane->encoder().add(row, rejected_);
    if (taken == Encoder::Taken::kFlush) {
      MILLRACE_TRY(flush(position_at(rows, row), true));
      begin(rows, replayed);
      taken = lane->encoder().add(row, rejected_);      // it may turn out to be a move
      MILLRACE_CHECK(taken != Encoder::Taken::kFlush);  // what stood in the way is gone
    }
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
  return flush(held_after_, true);
}

/// Before the last row that was applied is reached: what is held is older than what Redis has, and would undo
/// it. Rows that only Redis can reject are then not found again. Where it is not sure that all was applied,
/// it is written all the same.
Status RedisSink::drop_held() {
  if (held_bytes_ == 0) return {};
  if (!doubtful_.streams().empty()) return flush_held();
  std::size_t dropped = 0;
  for (const auto& lane : lanes_) dropped += lane->encoder().take().entries.size();
  context_->logger.warn(
      "what was written shortly before the restart was not looked at again for rejected rows",
      {{"connector", context_->connector}, {"keys", std::to_string(dropped)}});
  return flush_held();
}

/// Answers what it has written.
LogPosition RedisSink::append_position(const LogPosition& position) {
  LogPosition written = furthest(applied_, position);
  append_command(client_->out(), position_command(position_key_, context_->log_id, written));
  position_at_us_ = context_->clock.now_us();
  return written;
}

/// Sends what was overlaid in groups; the last one stands for everything before `after`.
Status RedisSink::flush(const LogPosition& after, bool write_position) {
  sent_ = furthest(sent_, after);
  send_columns();
  Group group;
  std::size_t start = client_->out().size();
  const auto send_full = [&](const std::shared_ptr<const Overlay>& next) {
    Status sent = group.entries.empty() ? Status() : send_group(std::exchange(group, {}), start);
    group.overlay = next;
    start = client_->out().size();
    return sent;
  };
  for (const auto& lane : lanes_) {
    const auto overlay = std::make_shared<const Overlay>(lane->encoder().take());
    if (overlay->empty()) continue;
    MILLRACE_TRY(send_full(overlay));
    for (std::uint32_t i = 0; i < overlay->entries.size(); ++i) {
      std::string& out = client_->out();
      const bool full =
          group.entries.size() >= settings_.batch_commands || out.size() - start >= kMaxGroupBytes;
      if (full) MILLRACE_TRY(send_full(overlay));
      if (group.entries.empty()) append_command(out, {"MULTI"});
      const std::uint32_t commands = lane->writer().append(out, *overlay, overlay->entries[i], rejected_);
      group.entries.insert(group.entries.end(), commands, i);
      if (group.entries.empty()) out.resize(start);
    }
  }
  group.after = after;
  group.rejected = std::exchange(rejected_, {});
  if (!group.entries.empty() && write_position) group.position = append_position(after);
  return send_group(std::move(group), start);
}

/// `start`: where the group's commands begin in the client's buffer.
Status RedisSink::send_group(Group group, std::size_t start) {
  if (!group.entries.empty()) {
    group.kind = Group::Kind::kWrites;
    append_command(client_->out(), {"EXEC"});
    client_->expect(group.queued() + 2);
  }
  group.bytes = client_->out().size() - start;
  const bool sends = group.kind != Group::Kind::kNothing;
  std::optional<Group> wait;
  if (sends && settings_.wait_replicas > 0 && group.after) wait = wait_for_replicas(group);
  pipeline_->push(std::move(group));
  if (wait) pipeline_->push(std::move(*wait));
  if (!sends) return {};
  MILLRACE_TRY(client_->send());
  MILLRACE_TRY(context_->failpoints.pass("redis.after_write"));
  return keep_bound();
}

/// What `group` settles is settled by its replicas' word instead.
Group RedisSink::wait_for_replicas(Group& group) {
  const std::string wanted = std::to_string(settings_.wait_replicas);
  append_command(client_->out(), {"WAIT", wanted, std::to_string(settings_.wait_timeout_ms)});
  client_->expect(1);
  Group wait;
  wait.kind = Group::Kind::kCommand;
  wait.after = std::exchange(group.after, std::nullopt);
  wait.on_reply = [this, wanted](const Reply& reply) {
    if (reply.is_error()) return Status(reply_error("WAIT", reply.text));
    if (reply.as_integer() >= settings_.wait_replicas) return Status();
    return Status(retry_error(
        "a write has reached " + reply.as_text() + " replicas of the " + wanted + " it is to reach",
        "see INFO replication; redis.wait.replicas says how many"));
  };
  return wait;
}

/// Waits while more is in flight than allowed; not once a stop has been asked for.
Status RedisSink::keep_bound() {
  while (pipeline_->bytes() > settings_.in_flight_bytes && !context_->stop.stop_requested()) {
    MILLRACE_TRY(client_->exchange(context_->clock.now_us() + kStepUs));
    MILLRACE_TRY(pipeline_->take_replies());
  }
  return {};
}

Status RedisSink::drain() {
  for (;;) {
    MILLRACE_TRY(pipeline_->take_replies());
    if (pipeline_->idle()) return {};
    if (context_->stop.stop_requested()) return retry_error("stopping while Redis had not answered yet");
    MILLRACE_TRY(client_->exchange(context_->clock.now_us() + kStepUs));
  }
}

/// A change of key that keeps values only Redis has: alone in flight, its position in the same script. Of
/// several outputs the last one's settles the row; one that was done before a crash is found done.
Status RedisSink::move_row(const ReadBatch& rows, std::uint32_t row) {
  MILLRACE_TRY(flush(position_at(rows, row), true));
  MILLRACE_TRY(drain());
  begin(rows, false);
  for (Lane* lane : moving_) {
    const bool last = lane == moving_.back();
    MILLRACE_TRY(move_in(*lane, row, position_at(rows, last ? row + 1 : row), last));
  }
  return {};
}

Status RedisSink::move_in(Lane& lane, std::uint32_t row, const LogPosition& after, bool settles) {
  std::string from;
  const auto overlay = std::make_shared<const Overlay>(lane.encoder().take_move(row, from, rejected_));
  Group group;
  group.overlay = overlay;
  if (settles) group.after = after;
  const std::size_t start = client_->out().size();
  if (!overlay->empty()) {
    group.position = furthest(applied_, after);
    group.position_in_script = true;
    append_command(client_->out(), {"MULTI"});
    const Move move{from, position_command(position_key_, context_->log_id, *group.position)};
    const std::uint32_t commands = lane.writer().append_move(client_->out(), *overlay, move, rejected_);
    group.entries.assign(commands, 0);
    if (commands == 0) client_->out().resize(start);
  }
  group.rejected = std::exchange(rejected_, {});
  MILLRACE_TRY(send_group(std::move(group), start));
  return drain();
}

/// Removes what is under the keys of the row's topic in portions, between the writes before and after it.
Status RedisSink::truncate(const ReadBatch& rows, std::uint32_t row) {
  std::vector<Rejected> rejected;
  std::vector<std::pair<Lane*, RowKey>> keys;
  for (Lane* lane : truncating_) {
    for (RowKey& key : lane->encoder().topic_keys(row, rejected)) keys.emplace_back(lane, std::move(key));
  }
  MILLRACE_TRY(flush(position_at(rows, row), true));
  MILLRACE_TRY(drain());
  rejected_ = std::move(rejected);
  for (const auto& [lane, key] : keys) {
    const TargetWriter& target = lane->writer().target();
    MILLRACE_TRY(clear_keys(target, key, {}, traits_of(lane->target().type).redis_type));
    if (target.waiting_prefix().empty()) continue;
    MILLRACE_TRY(clear_keys(target, key, target.waiting_prefix(), "hash"));
  }
  return {};
}

/// `prefix`: stands in front of the keys that are looked for.
Status RedisSink::clear_keys(const TargetWriter& target, const RowKey& keys, std::string_view prefix,
                             std::string_view type) {
  const std::string pattern = glob_escaped(prefix) + keys.pattern();
  std::string cursor = "0";
  do {
    MILLRACE_TRY(context_->failpoints.pass("redis.in_truncate"));
    auto found =
        client_->call({"SCAN", cursor, "MATCH", pattern, "COUNT", "1000", "TYPE", std::string(type)});
    if (!found) return std::move(found).error();
    if (found->is_error()) return reply_error("SCAN", found->text);
    if (!found->is_array() || found->elements.size() != 2)
      return reconnect_error("Redis answered SCAN with something else");
    cursor = found->elements[0].text;
    std::vector<std::string> own;
    for (const Reply& key : found->elements[1].elements) {
      const std::string_view name = std::string_view(key.text).substr(prefix.size());
      if (key.text != position_key_ && keys.matches(name)) own.emplace_back(name);
    }
    if (own.empty()) continue;
    for (const std::vector<std::string>& command : target.clear(own)) send_command(command);
    MILLRACE_TRY(drain());
  } while (cursor != "0");
  return {};
}

/// One by itself, without a position; an error reply ends the connection.
void RedisSink::send_command(const std::vector<std::string>& command) {
  append_command(client_->out(), command);
  client_->expect(1);
  Group group;
  group.kind = Group::Kind::kCommand;
  group.on_reply = [name = command.front()](const Reply& reply) {
    return reply.is_error() ? Status(reply_error(name, reply.text)) : Status();
  };
  pipeline_->push(std::move(group));
}

void RedisSink::send_position() {
  Group group;
  group.kind = Group::Kind::kCommand;
  group.position = append_position(durable_);
  client_->expect(1);
  pipeline_->push(std::move(group));
}

/// Between writes: the position if it has moved, else whether Redis still has it.
void RedisSink::keep_position_if_due() {
  if (!pipeline_->idle() || held_bytes_ > 0) return;
  if (context_->clock.now_us() - position_at_us_ < kPositionEveryUs) return;
  if (furthest(applied_, durable_) != pipeline_->written()) return send_position();
  if (!pipeline_->position_known()) return;
  position_at_us_ = context_->clock.now_us();
  append_command(client_->out(), {"HMGET", position_key_, "position"});
  client_->expect(1);
  Group group;
  group.kind = Group::Kind::kCommand;
  group.on_reply = [this](const Reply& reply) {
    const bool lost =
        reply.is_array() && reply.elements.size() == 1 && reply.elements.front().kind == Reply::Kind::kNull;
    return lost ? Status(pipeline_->lose_position()) : Status();
  };
  pipeline_->push(std::move(group));
}

Result<Settled> RedisSink::poll(std::int64_t until_us) {
  if (!client_) return reconnect_error("the Redis sink is not open");
  MILLRACE_TRY(context_->failpoints.pass("redis.before_poll"));
  Settled out;
  for (bool over = false;;) {
    const std::int64_t now_us = context_->clock.now_us();
    if (held_bytes_ > 0 && now_us - held_since_us_ > kMaxHeldUs) MILLRACE_TRY(flush_held());
    keep_position_if_due();
    outputs_->step_if_due(*client_, *pipeline_);
    watch_->step_if_due(*client_, *pipeline_);
    MILLRACE_TRY(client_->send());
    MILLRACE_TRY(pipeline_->take_replies());
    if (auto settled = pipeline_->take_settled(out.rejected)) {
      durable_ = std::move(*settled);
      if (durable_.covers(doubtful_)) doubtful_ = {};
      break;
    }
    if (over) break;
    // However short the time: what has come is read, so that a connection that is gone is noticed.
    over = now_us >= until_us || context_->stop.stop_requested();
    MILLRACE_TRY(client_->exchange(over ? now_us : std::min(until_us, now_us + kStepUs), true));
  }
  out.durable = durable_;
  return out;
}

Result<std::vector<Rejected>> RedisSink::resend(const ReadBatch& rows) {
  if (!client_) return reconnect_error("the Redis sink is not open");
  MILLRACE_CHECK(rows.resent);
  MILLRACE_TRY(flush_held());  // rows of topics that it does not take
  MILLRACE_TRY(add_rows(rows, rows.first_row, rows.end_row, false));
  MILLRACE_TRY(flush(rows.after, true));
  MILLRACE_TRY(drain());
  std::vector<Rejected> rejected;
  if (auto settled = pipeline_->take_settled(rejected)) durable_ = std::move(*settled);
  return rejected;
}

Status RedisSink::settled(const LogPosition& /*durable*/) { return {}; }

SinkStatus RedisSink::status() const {
  SinkStatus out;
  if (pipeline_) out.queued_bytes = static_cast<std::int64_t>(pipeline_->bytes() + held_bytes_);
  if (outputs_) out.warnings = outputs_->warnings();
  if (watch_) std::ranges::copy(watch_->warnings(), std::back_inserter(out.warnings));
  for (const auto& lane : lanes_) {
    const std::vector<std::string>& more = lane->encoder().plans().warnings();
    out.warnings.insert(out.warnings.end(), more.begin(), more.end());
  }
  return out;
}

/// Best effort. Without the position, rows that needed no write are read again; one that is wrong is taken
/// away again when the sink is opened next, but the process may not live that long.
void RedisSink::leave_position() {
  if (!client_ || !pipeline_) return;
  if (pipeline_->idle() && held_bytes_ == 0 && furthest(applied_, durable_) != pipeline_->written()) {
    send_position();
    if (!client_->exchange(context_->clock.now_us() + kStepUs)) return;
    static_cast<void>(pipeline_->take_replies());
  }
  if (!pipeline_->position_lost()) return;
  forget_position_ = true;
  append_command(client_->out(), {"UNLINK", position_key_});
  client_->expect(1);
  static_cast<void>(client_->exchange(context_->clock.now_us() + kStepUs));
}

void RedisSink::close() {
  leave_position();
  if (pipeline_ && pipeline_->refused()) {
    doubtful_ = furthest(doubtful_, sent_);
    sure_ = pipeline_->written();
  }
  watch_.reset();
  outputs_.reset();
  pipeline_.reset();
  client_.reset();
  for (const auto& lane : lanes_) static_cast<void>(lane->encoder().take());
  rejected_.clear();
  held_bytes_ = 0;
}

}  // namespace

Result<std::unique_ptr<Sink>> make_redis_sink(Settings settings) {
  return std::unique_ptr<Sink>(std::make_unique<RedisSink>(std::move(settings)));
}

}  // namespace millrace::redis
