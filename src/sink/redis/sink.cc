#include "sink/redis/sink.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "sink/redis/client/servers.h"
#include "sink/redis/flow.h"
#include "sink/redis/index_watch.h"
#include "sink/redis/lane.h"
#include "sink/redis/output_notes.h"
#include "sink/redis/position_store.h"
#include "sink/redis/slot_move.h"
#include "sink/redis/target/commands.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kMaxGroupBytes = 256U << 10U;
constexpr std::size_t kMaxHeldBytes = 64U << 20U;
constexpr std::int64_t kMaxHeldUs = 1'000'000;
constexpr std::int64_t kPositionEveryUs = 1'000'000;
constexpr std::int64_t kStepUs = 100'000;
constexpr std::size_t kMaxStreamsSent = 65'536;

class RedisSink final : public Sink {
 public:
  explicit RedisSink(Settings settings) : settings_(std::move(settings)) {
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
  /// Commands for one server that are being gathered.
  struct Gathered {
    Group group;
    std::size_t start = 0;  ///< where they begin in the client's buffer
    bool writes = false;    ///< something of this flush goes there
  };

  Status prepare_server();
  Status prepare_lane(Lane& lane);
  Result<std::size_t> learn_limit();
  Status refuse_other_log(const std::string& foreign) const;
  Status learn_columns(const std::vector<TopicColumns>& known);
  void send_columns();
  Status forget_streams();
  Status add_rows(const ReadBatch& rows, std::uint32_t first, std::uint32_t end, bool replayed);
  Status add_row(const ReadBatch& rows, std::uint32_t row, bool replayed);
  void begin(const ReadBatch& rows, bool replayed);
  Status flush(const LogPosition& after);
  Status flush_held();
  Status drop_held();
  Status gather(Lane& lane, const std::shared_ptr<const Overlay>& overlay, const Overlay::Entry& entry,
                const LogPosition& after);
  void begin_writes(std::size_t node, const LogPosition& after);
  Status send_gathered(std::size_t node);
  Status send_last(std::size_t node, const LogPosition& after);
  Group wait_for_replicas(Group& group) const;
  Status move_row(const ReadBatch& rows, std::uint32_t row);
  Status move_in(Lane& lane, std::uint32_t row, const LogPosition& after, bool settles);
  Status move_in_cluster(const ReadBatch& rows, std::uint32_t row);
  Status settle_positions();
  Status truncate(const ReadBatch& rows, std::uint32_t row);
  Status clear_keys(const TargetWriter& target, const RowKey& keys, std::string_view prefix,
                    std::string_view type);
  Status clear_keys_at(std::size_t node, const TargetWriter& target, const RowKey& keys,
                       std::string_view prefix, std::string_view type);
  void send_command(std::size_t node, const std::vector<std::string>& command,
                    std::function<Status(const Reply&)> on_reply = {});
  void keep_position_if_due(std::size_t node);
  void send_position(std::size_t node);
  LogPosition append_position(std::size_t node, const LogPosition& position);
  void leave_position();
  [[nodiscard]] LogPosition position_at(const ReadBatch& rows, std::uint32_t row) const;
  [[nodiscard]] LogPosition settled_position() const { return furthest(applied_, flow_->settled()); }

  Settings settings_;
  std::vector<std::unique_ptr<Lane>> lanes_;  ///< one an output
  TaskContext* context_ = nullptr;
  std::unique_ptr<Servers> servers_;
  std::optional<PositionStore> store_;
  std::optional<Flow> flow_;
  std::optional<OutputWatch> outputs_;
  std::optional<IndexWatch> watch_;

  LogPosition applied_;             ///< of the target when it was opened: rows before it have been applied
  LogPosition replay_until_;        ///< rows before it have been applied, or may have been
  LogPosition sent_;                ///< up to where rows were sent on this connection
  LogPosition sure_;                ///< what was applied for certain when rows were refused
  LogPosition doubtful_;            ///< up to where rows may have been applied then, in part
  LogPosition durable_;             ///< last position settled
  LogPosition held_after_;          ///< where the reader stands after the rows held
  std::size_t held_bytes_ = 0;      ///< of batches whose rows wait in the encoder
  std::int64_t held_since_us_ = 0;  ///< when the last of them came
  std::vector<std::int64_t> position_at_us_;  ///< by server: when it was last written or asked for
  std::vector<LogPosition> begun_;            ///< by server, of a cluster: rows up to it may have been sent
  std::vector<Gathered> gathered_;            ///< by server
  bool forget_position_ = false;    ///< what Redis says is not so: it has lost what was there before
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
  MILLRACE_TRY(prepare_server());
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
  applied_ = found->start;
  durable_ = applied_;
  sent_ = applied_;
  if (!applied_.covers(sure_)) doubtful_ = {};  // it has other data by now
  replay_until_ = furthest(found->begun, doubtful_);
  flow_.emplace(*servers_, context.clock, context.stop, applied_, found->known);
  position_at_us_.assign(flow_->size(), 0);
  begun_.assign(flow_->size(), found->begun);
  gathered_.clear();
  gathered_.resize(flow_->size());
  return std::optional(applied_);
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
      for (std::size_t i = 0; i < flow_->size(); ++i)
        send_command(i, columns_command(store_->key(i), lane->columns_name(topic), names));
    }
  }
}

Status RedisSink::prepare_server() {
  const auto is_json = [](const auto& lane) { return lane->target().type == TargetType::kJson; };
  if (std::ranges::any_of(lanes_, is_json)) {
    for (std::size_t i = 0; i < servers_->size(); ++i) {
      auto known = servers_->call(i, {"COMMAND", "INFO", "JSON.SET"});
      if (!known) return std::move(known).error();
      const bool missing =
          known->is_array() && !known->elements.empty() && known->elements.front().elements.empty();
      if (missing) {
        return servers_->at_node(i, stop_error("the Redis server has no JSON module (ReJSON)",
                                               "use Redis Stack or Redis 8, or target.type: hash"));
      }
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
    auto name = servers_->load_script(text);
    if (!name) return std::move(name).error();
    names.push_back(std::move(*name));
  }
  lane.writer().target().forget_sent();
  lane.writer().target().set_scripts(std::move(names));
  return {};
}

/// A user who may not ask leaves us with the default.
Result<std::size_t> RedisSink::learn_limit() {
  std::size_t limit = 0;
  for (std::size_t i = 0; i < servers_->size(); ++i) {
    auto reply = servers_->call(i, {"CONFIG", "GET", "proto-max-bulk-len"});
    if (!reply) return std::move(reply).error();
    const Reply* bytes = reply->find("proto-max-bulk-len");
    if (bytes == nullptr || bytes->as_integer() <= 0) return kDefaultMaxValueBytes;
    const auto here = static_cast<std::size_t>(bytes->as_integer());
    limit = limit == 0 ? here : std::min(limit, here);
  }
  return limit;
}

LogPosition RedisSink::position_at(const ReadBatch& rows, std::uint32_t row) const {
  LogPosition position = rows.after;
  if (!rows.resent) position.set({rows.stream, rows.sequence, row});
  return position;
}

Status RedisSink::write(const ReadBatch& rows) {
  if (!flow_) return reconnect_error("the Redis sink is not open");
  MILLRACE_TRY(forget_streams());
  const StreamPosition applied = replay_until_.at(rows.stream);
  std::uint32_t replay_end = rows.first_row;
  if (rows.sequence < applied.sequence) replay_end = rows.end_row;
  if (rows.sequence == applied.sequence) replay_end = std::clamp(applied.row, rows.first_row, rows.end_row);

  if (replay_end > rows.first_row || (held_bytes_ > 0 && rows.first_row == rows.end_row)) {
    held_since_us_ = context_->clock.now_us();
    // A truncation may have been done that the position does not tell of yet.
    std::uint32_t overlay_end = replay_end;
    while (overlay_end < rows.end_row && rows.batch->records()[overlay_end].op == Op::kTruncate)
      ++overlay_end;
    MILLRACE_TRY(add_rows(rows, rows.first_row, overlay_end, true));
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
  return flush(rows.after);
}

/// What streams were sent is of use while it is in flight only, and must not grow for ever.
Status RedisSink::forget_streams() {
  const auto is_long = [](const auto& lane) { return lane->writer().target().sent() > kMaxStreamsSent; };
  if (!flow_->idle() && std::ranges::none_of(lanes_, is_long)) return {};
  MILLRACE_TRY(flow_->drain());
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
    if (!lane->takes(row)) continue;
    auto taken = lane->encoder().add(row, rejected_);
    if (taken == Encoder::Taken::kFlush) {
      MILLRACE_TRY(flush(position_at(rows, row)));
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

/// Answers what it has written.
LogPosition RedisSink::append_position(std::size_t node, const LogPosition& position) {
  LogPosition written = furthest(applied_, position);
  append_command(flow_->out(node), store_->command(node, written, begun_[node]));
  position_at_us_[node] = context_->clock.now_us();
  return written;
}

/// Sends what was overlaid in groups; the last ones stand for everything before `after`.
Status RedisSink::flush(const LogPosition& after) {
  sent_ = furthest(sent_, after);
  send_columns();
  for (const auto& lane : lanes_) {
    const auto overlay = std::make_shared<const Overlay>(lane->encoder().take());
    if (overlay->empty()) continue;
    for (const Overlay::Entry& entry : overlay->entries) MILLRACE_TRY(gather(*lane, overlay, entry, after));
  }
  gathered_.front().group.rejected = std::exchange(rejected_, {});
  for (std::size_t i = 0; i < flow_->size(); ++i) MILLRACE_TRY(send_last(i, after));
  MILLRACE_TRY(servers_->send());
  return flow_->keep_below(settings_.in_flight_bytes);
}

/// Appends the commands of one entry to the group of the server where its key lives.
Status RedisSink::gather(Lane& lane, const std::shared_ptr<const Overlay>& overlay,
                         const Overlay::Entry& entry, const LogPosition& after) {
  const std::size_t node = servers_->node_of(overlay->key(entry));
  Gathered& to = gathered_[node];
  std::string& out = flow_->out(node);
  const bool full = to.group.entries.size() >= settings_.batch_commands ||
                    out.size() - to.start >= kMaxGroupBytes || to.group.overlay != overlay;
  if (!to.group.entries.empty() && full) MILLRACE_TRY(send_gathered(node));
  if (to.group.entries.empty()) begin_writes(node, after);
  to.group.overlay = overlay;
  const std::uint32_t commands = lane.writer().append(out, *overlay, entry, rejected_);
  const auto index = static_cast<std::uint32_t>(&entry - overlay->entries.data());
  to.group.entries.insert(to.group.entries.end(), commands, index);
  if (to.group.entries.empty()) out.resize(to.start);
  return {};
}

/// A cluster takes no MULTI over several slots. So the position lies in front of the rows and says what was
/// settled before them, and how far they go: these may be there, and are written again when it is read.
void RedisSink::begin_writes(std::size_t node, const LogPosition& after) {
  Gathered& to = gathered_[node];
  const bool first = !std::exchange(to.writes, true);
  if (servers_->is_cluster() && first) {
    begun_[node] = furthest(begun_[node], after);
    send_position(node);
  }
  to.start = flow_->out(node).size();
  if (!servers_->is_cluster()) append_command(flow_->out(node), {"MULTI"});
}

Status RedisSink::send_gathered(std::size_t node) {
  Gathered& from = gathered_[node];
  Group group = std::exchange(from.group, {});
  std::size_t replies = 0;
  if (!group.entries.empty()) {
    const bool cluster = servers_->is_cluster();
    group.kind = cluster ? Group::Kind::kPlain : Group::Kind::kWrites;
    if (!cluster) append_command(flow_->out(node), {"EXEC"});
    replies = group.queued() + (cluster ? 0 : 2);
  }
  const bool sends = replies > 0;
  const bool waits = from.writes && settings_.wait_replicas > 0 && group.after;
  std::optional<Group> wait;
  if (waits) wait = wait_for_replicas(group);
  flow_->push(node, std::move(group), sends ? from.start : flow_->out(node).size(), replies);
  if (wait) {
    const std::size_t start = flow_->out(node).size();
    append_command(flow_->out(node), {"WAIT", std::to_string(settings_.wait_replicas),
                                      std::to_string(settings_.wait_timeout_ms)});
    flow_->push(node, std::move(*wait), start, 1);
  }
  if (!sends) return {};
  if (Status sent = servers_->client(node).send(); !sent)
    return servers_->at_node(node, std::move(sent).error());
  MILLRACE_TRY(context_->failpoints.pass("redis.after_write"));
  return flow_->keep_below(settings_.in_flight_bytes);
}

/// What is left of a flush for one server. On a single one with the position behind the rows, in one step.
Status RedisSink::send_last(std::size_t node, const LogPosition& after) {
  Group& group = gathered_[node].group;
  group.after = after;
  if (!group.entries.empty() && !servers_->is_cluster()) group.position = append_position(node, after);
  Status sent = send_gathered(node);
  gathered_[node].writes = false;
  return sent;
}

/// What `group` settles is settled by its replicas' word instead.
Group RedisSink::wait_for_replicas(Group& group) const {
  Group wait;
  wait.kind = Group::Kind::kCommand;
  wait.after = std::exchange(group.after, std::nullopt);
  wait.on_reply = [wanted = settings_.wait_replicas](const Reply& reply) {
    return check_replicas(reply, wanted);
  };
  return wait;
}

/// A change of key that keeps values only Redis has: alone in flight, its position in the same script. Of
/// several outputs the last one's settles the row; one that was done before a crash is found done.
Status RedisSink::move_row(const ReadBatch& rows, std::uint32_t row) {
  MILLRACE_TRY(flush(position_at(rows, row)));
  MILLRACE_TRY(flow_->drain());
  begin(rows, false);
  if (servers_->is_cluster()) return move_in_cluster(rows, row);
  for (Lane* lane : moving_) {
    const bool last = lane == moving_.back();
    MILLRACE_TRY(move_in(*lane, row, position_at(rows, last ? row + 1 : row), last));
  }
  return {};
}

Status RedisSink::move_in(Lane& lane, std::uint32_t row, const LogPosition& after, bool settles) {
  std::string from;
  const auto overlay = std::make_shared<const Overlay>(lane.encoder().take_move(row, from, rejected_));
  Gathered& to = gathered_.front();
  to.group.overlay = overlay;
  if (settles) to.group.after = after;
  if (!overlay->empty()) {
    begin_writes(0, after);
    const LogPosition position = furthest(applied_, after);
    const Move move{from, store_->command(0, position, position)};
    const std::uint32_t commands = lane.writer().append_move(flow_->out(0), *overlay, move, rejected_);
    to.group.entries.assign(commands, 0);
    if (commands == 0) {
      flow_->out(0).resize(to.start);
    } else {
      to.group.position = position;
      to.group.position_in_script = true;
    }
  }
  to.group.rejected = std::exchange(rejected_, {});
  MILLRACE_TRY(send_gathered(0));
  to.writes = false;
  return flow_->drain();
}

/// The position is past the row before the old document goes; see move_between_slots.
Status RedisSink::move_in_cluster(const ReadBatch& rows, std::uint32_t row) {
  MILLRACE_TRY(settle_positions());  // which tells whether they are still there
  std::vector<std::string> leaving;
  for (Lane* lane : moving_) {
    std::string from;
    const Overlay overlay = lane->encoder().take_move(row, from, rejected_);
    if (overlay.empty()) continue;
    MILLRACE_TRY(move_between_slots(*servers_, *lane, overlay, from, rejected_, leaving));
  }
  MILLRACE_TRY(context_->failpoints.pass("redis.in_move"));
  MILLRACE_TRY(flush(position_at(rows, row + 1)));
  MILLRACE_TRY(flow_->drain());
  MILLRACE_TRY(settle_positions());
  MILLRACE_TRY(context_->failpoints.pass("redis.in_move"));
  for (const std::string& key : leaving) send_command(servers_->node_of(key), {"UNLINK", key});
  MILLRACE_TRY(flow_->drain());
  return context_->failpoints.pass("redis.in_move");
}

/// With nothing in flight: every server is told of all that is settled.
Status RedisSink::settle_positions() {
  for (std::size_t i = 0; i < flow_->size(); ++i) {
    begun_[i] = furthest(begun_[i], settled_position());
    send_position(i);
  }
  return flow_->drain();
}

/// Removes what is under the keys of the row's topic in portions, between the writes before and after it.
Status RedisSink::truncate(const ReadBatch& rows, std::uint32_t row) {
  std::vector<Rejected> rejected;
  std::vector<std::pair<Lane*, RowKey>> keys;
  for (Lane* lane : truncating_) {
    for (RowKey& key : lane->encoder().topic_keys(row, rejected)) keys.emplace_back(lane, std::move(key));
  }
  MILLRACE_TRY(flush(position_at(rows, row)));
  MILLRACE_TRY(flow_->drain());
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
  MILLRACE_TRY(servers_->check_settled());
  for (std::size_t i = 0; i < servers_->size(); ++i)
    MILLRACE_TRY(clear_keys_at(i, target, keys, prefix, type));
  return servers_->check_settled();
}

Status RedisSink::clear_keys_at(std::size_t node, const TargetWriter& target, const RowKey& keys,
                                std::string_view prefix, std::string_view type) {
  const bool tagged = servers_->is_cluster() && !prefix.empty();
  const std::string pattern = glob_escaped(prefix) + (tagged ? "{*}" : "") + keys.pattern();
  std::string cursor = "0";
  do {
    MILLRACE_TRY(context_->failpoints.pass("redis.in_truncate"));
    auto found =
        servers_->call(node, {"SCAN", cursor, "MATCH", pattern, "COUNT", "1000", "TYPE", std::string(type)});
    if (!found) return std::move(found).error();
    if (found->is_error()) return reply_error("SCAN", found->text);
    if (!found->is_array() || found->elements.size() != 2)
      return reconnect_error("Redis answered SCAN with something else");
    cursor = found->elements[0].text;
    std::vector<std::string> own;
    for (const Reply& key : found->elements[1].elements) {
      std::string_view name = std::string_view(key.text).substr(prefix.size());
      if (tagged) name.remove_prefix(std::min(name.size(), name.find('}') + 1));
      if (!store_->is_own(key.text) && keys.matches(name)) own.emplace_back(name);
    }
    if (own.empty()) continue;
    // Of a cluster one by one: each key is in a slot of its own.
    const std::size_t at_once = servers_->is_cluster() ? 1 : own.size();
    for (std::size_t i = 0; i < own.size(); i += at_once) {
      const auto first = own.begin() + static_cast<std::ptrdiff_t>(i);
      const std::vector<std::string> some(first, first + static_cast<std::ptrdiff_t>(at_once));
      for (const std::vector<std::string>& command : target.clear(some))
        send_command(servers_->node_of(some.front()), command);
    }
    MILLRACE_TRY(flow_->drain());
  } while (cursor != "0");
  return {};
}

/// One by itself, without a position; an error reply ends the connection unless it is taken by `on_reply`.
void RedisSink::send_command(std::size_t node, const std::vector<std::string>& command,
                             std::function<Status(const Reply&)> on_reply) {
  const std::size_t start = flow_->out(node).size();
  append_command(flow_->out(node), command);
  Group group;
  group.kind = Group::Kind::kCommand;
  group.on_reply = std::move(on_reply);
  if (!group.on_reply) {
    group.on_reply = [name = command.front()](const Reply& reply) {
      return reply.is_error() ? Status(reply_error(name, reply.text)) : Status();
    };
  }
  flow_->push(node, std::move(group), start, 1);
}

void RedisSink::send_position(std::size_t node) {
  const std::size_t start = flow_->out(node).size();
  Group group;
  group.kind = Group::Kind::kCommand;
  group.position = append_position(node, settled_position());
  flow_->push(node, std::move(group), start, 1);
}

/// Between writes: the position if it has moved, else whether Redis still has it.
void RedisSink::keep_position_if_due(std::size_t node) {
  Pipeline& pipeline = flow_->pipeline(node);
  if (!pipeline.idle() || held_bytes_ > 0) return;
  if (context_->clock.now_us() - position_at_us_[node] < kPositionEveryUs) return;
  if (settled_position() != pipeline.written()) return send_position(node);
  if (!pipeline.position_known()) return;
  position_at_us_[node] = context_->clock.now_us();
  send_command(node, {"HMGET", store_->key(node), "position"}, [&pipeline](const Reply& reply) {
    const bool lost =
        reply.is_array() && reply.elements.size() == 1 && reply.elements.front().kind == Reply::Kind::kNull;
    return lost ? Status(pipeline.lose_position()) : Status();
  });
}

Result<Settled> RedisSink::poll(std::int64_t until_us) {
  if (!flow_) return reconnect_error("the Redis sink is not open");
  MILLRACE_TRY(context_->failpoints.pass("redis.before_poll"));
  Settled out;
  for (bool over = false;;) {
    const std::int64_t now_us = context_->clock.now_us();
    if (held_bytes_ > 0 && now_us - held_since_us_ > kMaxHeldUs) MILLRACE_TRY(flush_held());
    for (std::size_t i = 0; i < flow_->size(); ++i) keep_position_if_due(i);
    outputs_->step_if_due(*servers_, *flow_);
    if (!servers_->is_cluster()) watch_->step_if_due(servers_->client(0), flow_->pipeline(0));
    MILLRACE_TRY(servers_->send());
    MILLRACE_TRY(flow_->take_replies());
    if (auto settled = flow_->take_settled(out.rejected)) {
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
  return out;
}

Result<std::vector<Rejected>> RedisSink::resend(const ReadBatch& rows) {
  if (!flow_) return reconnect_error("the Redis sink is not open");
  MILLRACE_CHECK(rows.resent);
  MILLRACE_TRY(flush_held());  // rows of topics that it does not take
  MILLRACE_TRY(add_rows(rows, rows.first_row, rows.end_row, false));
  MILLRACE_TRY(flush(rows.after));
  MILLRACE_TRY(flow_->drain());
  std::vector<Rejected> rejected;
  if (auto settled = flow_->take_settled(rejected)) durable_ = std::move(*settled);
  return rejected;
}

Status RedisSink::settled(const LogPosition& /*durable*/) { return {}; }

SinkStatus RedisSink::status() const {
  SinkStatus out;
  if (flow_) out.queued_bytes = static_cast<std::int64_t>(flow_->bytes() + held_bytes_);
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
  if (!flow_) return;
  if (flow_->idle() && held_bytes_ == 0) {
    for (std::size_t i = 0; i < flow_->size(); ++i) {
      if (settled_position() != flow_->pipeline(i).written()) send_position(i);
    }
    const std::int64_t until_us = context_->clock.now_us() + kStepUs;
    while (!flow_->idle() && context_->clock.now_us() < until_us) {
      if (!servers_->exchange(until_us) || !flow_->take_replies()) break;
    }
  }
  if (!flow_->position_lost()) return;
  forget_position_ = true;
  for (std::size_t i = 0; i < flow_->size(); ++i) {
    append_command(servers_->client(i).out(), {"UNLINK", store_->key(i)});
    servers_->client(i).expect(1);
  }
  static_cast<void>(servers_->exchange(context_->clock.now_us() + kStepUs));
}

void RedisSink::close() {
  leave_position();
  if (flow_ && flow_->refused()) {
    doubtful_ = furthest(doubtful_, sent_);
    sure_ = flow_->pipeline(0).written();
  }
  watch_.reset();
  outputs_.reset();
  flow_.reset();
  store_.reset();
  servers_.reset();
  for (const auto& lane : lanes_) static_cast<void>(lane->encoder().take());
  rejected_.clear();
  held_bytes_ = 0;
}

}  // namespace

Result<std::unique_ptr<Sink>> make_redis_sink(Settings settings) {
  return std::unique_ptr<Sink>(std::make_unique<RedisSink>(std::move(settings)));
}

}  // namespace millrace::redis
