#include "sink/redis/verifier.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "sink/redis/client/servers.h"
#include "sink/redis/earlier_keys.h"
#include "sink/redis/index/index_plan.h"
#include "sink/redis/lane.h"
#include "sink/redis/output_notes.h"
#include "sink/redis/pipeline.h"
#include "sink/redis/position_store.h"
#include "sink/redis/target/content.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kKeysAtOnce = 100;     // in one call of the script: some 0.3 ms of the server
constexpr std::size_t kChangesAtOnce = 100;  // Redis looks through all keys watched at each WATCH
constexpr std::int64_t kStepUs = 100'000;
constexpr std::int64_t kIndexPatienceUs = 60'000'000;
constexpr char kBehindKey = '\0';

std::string handle_of(std::string_view key, std::string_view member) {
  return std::string(key) + kBehindKey + std::string(member);
}

struct Place {
  std::string key;
  std::string member;
};

Place place_of(const std::string& handle) {
  const std::size_t at = handle.find(kBehindKey);
  return {handle.substr(0, at), handle.substr(at + 1)};
}

std::string shown(const Target& target, std::string_view key, std::string_view member) {
  if (target.nest) {
    const NestPlace place = nest_place(member);
    return std::string(key) + " " + std::string(place.parent) + std::string(place.part) +
           path_end(place.name);
  }
  return member.empty() ? std::string(key) : std::string(key) + " " + std::string(member);
}

class RedisVerifier final : public TargetVerifier {
 public:
  explicit RedisVerifier(Settings settings) : settings_(std::move(settings)) {
    for (Output& output : settings_.outputs) {
      output.target.guard.reset();  // what it writes is of now, whatever version Redis has
      lanes_.push_back(std::make_unique<Lane>(output));
    }
  }

  Status open(TaskContext& context, std::span<const ScanTable> tables) override;
  std::vector<std::string> limits(std::string_view topic, bool& any) override;
  Status begin(const ScanTable& table) override;
  Status compare(const BatchPtr& batch, std::vector<EntryState>& out) override;
  Result<bool> find_extra(std::vector<ExtraEntry>& out) override;
  Status look(std::span<ExtraEntry> entries) override;
  Result<std::vector<Repaired>> repair(const BatchPtr& batch, std::span<const EntryState> states) override;
  Result<std::vector<Repaired>> remove(std::span<const ExtraEntry> entries) override;
  Result<std::uint64_t> finish(std::span<const ScanTable> tables, std::vector<std::string>& left) override;

 private:
  /// An overlay's entry that is not what a checksum says.
  struct Doubt {
    const Overlay::Entry* entry = nullptr;
    Content wanted;
  };
  [[nodiscard]] static bool is_compared(const Target& target) { return !traits_of(target.type).is_history; }
  [[nodiscard]] static bool has_extras(const Target& target) {
    return is_compared(target) && !traits_of(target.type).has_members && !target.nest;
  }
  Lane* find_lane(const std::string& output);
  static ReadBatch as_rows(const BatchPtr& batch);
  Result<std::vector<Reply>> ask_at(std::size_t node, std::size_t replies);
  Status compare_lane(Lane& lane, const BatchPtr& batch, std::vector<EntryState>& out);
  Status sort_out(Lane& lane, const Overlay& overlay, std::vector<const Overlay::Entry*>& doubtful);
  Status settle_doubts(Lane& lane, const Overlay& overlay, const std::vector<const Overlay::Entry*>& doubtful,
                       std::vector<EntryState>& out);
  [[nodiscard]] bool shares_prefix(const Lane& lane, std::string_view topic) const;
  [[nodiscard]] bool may_be_of_another(const Lane& lane, std::string_view key) const;
  bool may_be_gone(const Target& target, const Item& item) const;
  /// What is to be done to one entry, if it still is as `found` says.
  struct Change {
    const Target* target = nullptr;
    Place place;
    std::uint64_t found = 0;
    std::optional<Content> wanted{};
    std::function<std::size_t(std::string&)> write{};  ///< appends commands, answers how many
    Repaired* out = nullptr;
  };
  Status repair_lane(Lane& lane, const BatchPtr& batch, std::span<const EntryState> states,
                     std::vector<Repaired>& out);
  Status refuse_other_settings();
  Status note(OutputNotes after);
  Result<std::string> wait_for_indexes();
  Result<std::uint64_t> remove_earlier(const EarlierKeys& earlier);
  Result<std::uint64_t> remove_earlier_at(std::size_t node, const RowKey& keys,
                                          const std::string& redis_type);
  Status change_all(std::span<Change> changes);
  Status change_if(std::span<Change> changes);
  Result<std::vector<Change*>> watch(std::span<Change> changes, std::size_t node);
  static Status take_change(const Change& change, std::span<const Reply> replies);

  Settings settings_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  TaskContext* context_ = nullptr;
  std::unique_ptr<Servers> servers_;
  std::string script_;
  std::string topic_;
  std::vector<std::vector<std::size_t>> noted_;  ///< by lane: hashes of the keys that rows named
  std::vector<std::vector<RowKey>> keys_;        ///< by lane: of the table begun
  struct Owner {
    const Lane* lane;
    std::string topic;
    RowKey key;
  };
  std::vector<Owner> all_keys_;  ///< of all tables and lanes
  TableSchemaPtr schema_;
  std::size_t extra_lane_ = 0;
  std::size_t extra_node_ = 0;
  std::string cursor_ = "0";
  bool sorted_ = false;
  OutputNotes notes_;
};

Status RedisVerifier::open(TaskContext& context, std::span<const ScanTable> tables) {
  context_ = &context;
  auto servers = Servers::connect(settings_.client, context.clock, context.stop);
  if (!servers) return std::move(servers).error();
  servers_ = std::move(*servers);
  auto script = servers_->load_script(kChecksums);
  if (!script) return std::move(script).error();
  script_ = std::move(*script);
  for (const auto& lane : lanes_) {
    std::vector<std::string> names;
    for (const std::string_view text : lane->writer().target().scripts()) {
      auto name = servers_->load_script(text);
      if (!name) return std::move(name).error();
      names.push_back(std::move(*name));
    }
    lane->writer().target().set_scripts(std::move(names));
  }
  for (const ScanTable& table : tables) {
    for (const auto& lane : lanes_) {
      if (!lane->takes_topic(table.topic) || table.schema == nullptr) continue;
      static_cast<void>(lane->encoder().plans().plan(table.topic, table.schema));
      for (const RowKey& key : lane->encoder().plans().keys_of(table.topic))
        all_keys_.push_back({lane.get(), table.topic, key});
    }
  }
  MILLRACE_TRY(refuse_other_settings());
  PositionStore store(*servers_, settings_.connector, {});
  auto columns = store.columns();
  if (!columns) return std::move(columns).error();
  for (const auto& lane : lanes_) lane->know_columns(*columns);
  return {};
}

/// Rows are compared with what the sink writes, so it must have begun with the same settings.
Status RedisVerifier::refuse_other_settings() {
  const std::string key = notes_key(settings_.connector);
  auto reply = servers_->call_key(key, {"HGETALL", key});
  if (!reply) return std::move(reply).error();
  notes_ = read_notes(*reply);
  for (const Output& output : settings_.outputs) {
    const auto form = notes_.forms.find(output.name);
    if (notes_.forms.empty() || (form != notes_.forms.end() && form->second == output.form)) continue;
    const std::string what =
        form == notes_.forms.end() ? "output " + output.name : form_difference(form->second, output.form);
    return stop_error("the sink has not been started with this file yet: " + what + " is new",
                      "start it with this file first (`millrace run`)");
  }
  return {};
}

std::vector<std::string> RedisVerifier::limits(std::string_view topic, bool& any) {
  std::vector<std::string> out;
  any = false;
  for (const auto& lane : lanes_) {
    if (!lane->takes_topic(topic)) continue;
    const std::string who = lane->name().empty() ? "" : "output " + lane->name() + ": ";
    if (!is_compared(lane->target())) {
      out.push_back(who + "a stream is a history, which is not compared");
      continue;
    }
    any = true;
    if (!has_extras(lane->target())) {
      out.push_back(who + "rows that are gone are not looked for among members of keys that rows share");
      continue;
    }
    if (lane->target().expiry.seconds > 0)
      out.push_back(who + "keys expire, so one that is missing may have gone by itself");
    if (shares_prefix(*lane, topic))
      out.push_back(who + "keys that rows of another table or output may have too are not taken for extra");
  }
  return out;
}

Status RedisVerifier::begin(const ScanTable& table) {
  topic_ = table.topic;
  schema_ = table.schema;
  noted_.assign(lanes_.size(), {});
  keys_.assign(lanes_.size(), {});
  extra_lane_ = 0;
  extra_node_ = 0;
  cursor_ = "0";
  sorted_ = false;
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (!lanes_[i]->takes_topic(topic_)) continue;
    static_cast<void>(lanes_[i]->encoder().plans().plan(topic_, schema_));
    const auto keys = lanes_[i]->encoder().plans().keys_of(topic_);
    keys_[i].assign(keys.begin(), keys.end());
  }
  return {};
}

Lane* RedisVerifier::find_lane(const std::string& output) {
  const auto found = std::ranges::find(lanes_, output, [](const auto& lane) { return lane->name(); });
  MILLRACE_CHECK(found != lanes_.end());
  return found->get();
}

ReadBatch RedisVerifier::as_rows(const BatchPtr& batch) {
  ReadBatch rows;
  rows.batch = batch;
  rows.stream = 1;
  rows.sequence = 1;
  rows.end_row = static_cast<std::uint32_t>(batch->size());
  rows.topic_selected.assign(batch->topics().size(), true);
  return rows;
}

/// Sends what was appended for one server and takes its replies.
Result<std::vector<Reply>> RedisVerifier::ask_at(std::size_t node, std::size_t replies) {
  Client& client = servers_->client(node);
  client.expect(replies);
  std::vector<Reply> out;
  while (out.size() < replies) {
    Reply reply;
    auto found = client.next(reply);
    if (!found) return servers_->at_node(node, std::move(found).error());
    if (*found) {
      if (servers_->is_cluster() && reply.is_error() && parse_redirection(bare_error(reply.text))) {
        return servers_->at_node(node, retry_error("a row to be mended is in a slot that is being moved",
                                                   "run it again when the slot has moved"));
      }
      out.push_back(std::move(reply));
      continue;
    }
    if (context_->stop.stop_requested()) return retry_error("stopped");
    MILLRACE_TRY(client.exchange(context_->clock.now_us() + kStepUs));
  }
  return out;
}

Status RedisVerifier::compare(const BatchPtr& batch, std::vector<EntryState>& out) {
  for (const auto& lane : lanes_) {
    if (lane->takes_topic(topic_) && is_compared(lane->target()))
      MILLRACE_TRY(compare_lane(*lane, batch, out));
  }
  return {};
}

Status RedisVerifier::compare_lane(Lane& lane, const BatchPtr& batch, std::vector<EntryState>& out) {
  const ReadBatch rows = as_rows(batch);
  lane.begin(rows, false);
  std::vector<Rejected> rejected;
  for (std::uint32_t row = 0; row < rows.end_row; ++row)
    MILLRACE_CHECK(lane.encoder().add(row, rejected) == Encoder::Taken::kYes);  // whole rows overlay
  for (const Rejected& one : rejected) {
    EntryState state{.kind = EntryState::Kind::kUnwritable,
                     .row = one.row,
                     .output = lane.name(),
                     .place = one.target_key};
    state.reason = one.error;
    state.wanted = std::hash<std::string>()(one.error) | 1U;
    out.push_back(std::move(state));
  }
  const Overlay overlay = lane.encoder().take();
  std::vector<const Overlay::Entry*> doubtful;
  MILLRACE_TRY(sort_out(lane, overlay, doubtful));
  return settle_doubts(lane, overlay, doubtful, out);
}

/// Notes the keys, and finds the entries that a checksum does not prove to be right.
Status RedisVerifier::sort_out(Lane& lane, const Overlay& overlay,
                               std::vector<const Overlay::Entry*>& doubtful) {
  const auto at =
      std::ranges::find(lanes_, &lane, [](const auto& one) { return one.get(); }) - lanes_.begin();
  std::vector<std::size_t>& noted = noted_[static_cast<std::size_t>(at)];
  std::vector<std::pair<const Overlay::Entry*, std::string>> checked;
  for (const Overlay::Entry& entry : overlay.entries) {
    if (has_extras(lane.target())) noted.push_back(std::hash<std::string_view>()(overlay.key(entry)));
    if (entry.action == Overlay::Action::kDelete) continue;  // a sorted set without a score: nothing is there
    auto text = wanted_text(lane.target(), Item(overlay, entry));
    if (text) {
      checked.emplace_back(&entry, checksum(*text));
    } else {
      doubtful.push_back(&entry);
    }
  }
  const std::size_t at_once = servers_->is_cluster() ? 1 : kKeysAtOnce;  // a script reaches one slot
  for (std::size_t i = 0; i < checked.size(); i += at_once) {
    const std::size_t end = std::min(checked.size(), i + at_once);
    std::vector<std::string> command = {"EVALSHA", script_, std::to_string(end - i)};
    for (std::size_t j = i; j < end; ++j) command.emplace_back(overlay.key(*checked[j].first));
    command.emplace_back(traits_of(lane.target().type).redis_type);
    servers_->put(servers_->node_of(overlay.key(*checked[i].first)), command);
  }
  auto replies = servers_->take();
  if (!replies) return std::move(replies).error();
  std::size_t next = 0;
  for (const Reply& reply : *replies) {
    if (reply.is_error()) return reply_error("the checksums of keys", reply.text);
    for (const Reply& one : reply.elements) {
      MILLRACE_CHECK(next < checked.size());
      if (one.text != checked[next].second) doubtful.push_back(checked[next].first);
      ++next;
    }
  }
  return {};
}

/// Reads the doubtful ones and holds them against their rows by meaning.
Status RedisVerifier::settle_doubts(Lane& lane, const Overlay& overlay,
                                    const std::vector<const Overlay::Entry*>& doubtful,
                                    std::vector<EntryState>& out) {
  for (const Overlay::Entry* entry : doubtful) {
    const std::string_view key = overlay.key(*entry);
    servers_->put(servers_->node_of(key), read_command(lane.target(), key, overlay.member(*entry)));
  }
  auto replies = servers_->take();
  if (!replies) return std::move(replies).error();
  for (std::size_t i = 0; i < doubtful.size(); ++i) {
    const Item item(overlay, *doubtful[i]);
    EntryState state{.row = item.entry.last.row, .output = lane.name()};
    state.place = shown(lane.target(), item.key, item.member);
    state.handle = handle_of(item.key, item.member);
    auto wanted = wanted_content(lane.target(), item);
    if (!wanted) {
      state.kind = EntryState::Kind::kUnwritable;
      state.reason = wanted.error().message;
      state.wanted = std::hash<std::string>()(state.reason) | 1U;
      out.push_back(std::move(state));
      continue;
    }
    const Content found = found_content(lane.target(), (*replies)[i], &*wanted);
    state.wanted = wanted->fingerprint();
    state.found = found.fingerprint();
    if (!found.there) {
      if (may_be_gone(lane.target(), item)) continue;
      state.kind = EntryState::Kind::kMissing;
    } else if (!found.fault.empty()) {
      state.kind = EntryState::Kind::kUnwritable;
      state.reason = found.fault;
    } else {
      state.fields = different_fields(*wanted, found);
      if (state.fields.empty()) continue;
      state.kind = EntryState::Kind::kDifferent;
    }
    out.push_back(std::move(state));
  }
  return {};
}

/// Its time may have come.
bool RedisVerifier::may_be_gone(const Target& target, const Item& item) const {
  if (target.expiry.seconds > 0) return true;
  if (!item.plan.expiry) return false;
  const Cell& cell = item.cells[*item.plan.expiry];
  const std::int64_t now_us = context_->clock.wall_us();
  switch (cell.type) {
    case CellType::kInt64:
    case CellType::kUint64:
      return true;  // so long after a write that we have not seen
    case CellType::kDate:
      return static_cast<std::int64_t>(cell.word) <= now_us / 86'400'000'000;
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      return static_cast<std::int64_t>(cell.word) <= now_us;
    default:
      return false;
  }
}

/// True when the keys of the topic in the lane may be those of another topic or lane too.
bool RedisVerifier::shares_prefix(const Lane& lane, std::string_view topic) const {
  const auto is_own = [&](const Owner& owner) { return owner.lane == &lane && owner.topic == topic; };
  return std::ranges::any_of(all_keys_, [&](const Owner& own) {
    return is_own(own) && std::ranges::any_of(all_keys_, [&](const Owner& other) {
             const std::size_t length = std::min(own.key.prefix().size(), other.key.prefix().size());
             return !is_own(other) &&
                    own.key.prefix().substr(0, length) == other.key.prefix().substr(0, length);
           });
  });
}

/// A row of another table, or in another output, may have this key too: `flight:leg:7` beside
/// `flight:{code}`.
bool RedisVerifier::may_be_of_another(const Lane& lane, std::string_view key) const {
  return std::ranges::any_of(all_keys_, [&](const Owner& owner) {
    return (owner.lane != &lane || owner.topic != topic_) && owner.key.matches(key);
  });
}

Result<bool> RedisVerifier::find_extra(std::vector<ExtraEntry>& out) {
  if (!std::exchange(sorted_, true)) {
    for (auto& noted : noted_) std::sort(noted.begin(), noted.end());
  }
  const auto is_looked_at = [this](std::size_t i) {
    return lanes_[i]->takes_topic(topic_) && has_extras(lanes_[i]->target()) && !keys_[i].empty();
  };
  while (extra_lane_ < lanes_.size() && !is_looked_at(extra_lane_)) ++extra_lane_;
  if (extra_lane_ == lanes_.size()) return true;
  const Lane& lane = *lanes_[extra_lane_];
  const RowKey& keys = keys_[extra_lane_].back();  // of the table as it is now
  auto found = servers_->call(extra_node_, {"SCAN", cursor_, "MATCH", keys.pattern(), "COUNT", "1000", "TYPE",
                                            std::string(traits_of(lane.target().type).redis_type)});
  if (!found) return std::move(found).error();
  if (found->is_error() || found->elements.size() != 2) return reply_error("SCAN", found->text);
  const std::vector<std::size_t>& noted = noted_[extra_lane_];
  for (const Reply& key : found->elements[1].elements) {
    if (std::binary_search(noted.begin(), noted.end(), std::hash<std::string_view>()(key.text))) continue;
    const auto values = keys.values_of(key.text);
    if (!values || may_be_of_another(lane, key.text)) continue;
    ExtraEntry entry{.output = lane.name(), .place = key.text, .handle = handle_of(key.text, {})};
    for (std::size_t i = 0; i < values->size(); ++i)
      entry.name.emplace_back(schema_->columns[keys.columns()[i]].name, (*values)[i]);
    out.push_back(std::move(entry));
  }
  cursor_ = found->elements[0].text;
  if (cursor_ == "0" && ++extra_node_ == servers_->size()) {
    extra_node_ = 0;
    ++extra_lane_;
  }
  return false;
}

Status RedisVerifier::look(std::span<ExtraEntry> entries) {
  for (const ExtraEntry& entry : entries) {
    const Place place = place_of(entry.handle);
    servers_->put(servers_->node_of(place.key),
                  read_command(find_lane(entry.output)->target(), place.key, place.member));
  }
  auto replies = servers_->take();
  if (!replies) return std::move(replies).error();
  for (std::size_t i = 0; i < entries.size(); ++i)
    entries[i].found =
        found_content(find_lane(entries[i].output)->target(), (*replies)[i], nullptr).fingerprint();
  return {};
}

Result<std::uint64_t> RedisVerifier::finish(std::span<const ScanTable> tables,
                                            std::vector<std::string>& left) {
  OutputNotes caught_up = notes_;
  caught_up.behind.clear();
  MILLRACE_TRY(note(std::move(caught_up)));
  if (notes_.earlier.empty()) return 0;
  const auto waiting = wait_for_indexes();
  if (!waiting) return waiting.error();
  if (!waiting->empty()) {
    left.push_back(*waiting);
    return 0;
  }
  std::uint64_t removed = 0;
  OutputNotes after = notes_;
  for (const auto& [form, until] : notes_.earlier) {
    const auto earlier = earlier_keys(form, tables);
    if (!earlier) {
      left.push_back(earlier.error().message);
      continue;
    }
    const auto count = remove_earlier(*earlier);
    if (!count) return count.error();
    removed += *count;
    after.earlier.erase(form);
  }
  MILLRACE_TRY(note(std::move(after)));
  return removed;
}

Status RedisVerifier::note(OutputNotes after) {
  const std::string key = notes_key(settings_.connector);
  for (const auto& command : note_commands(key, notes_, after)) {
    const auto reply = servers_->call_key(key, command);
    if (!reply) return reply.error();
    if (reply->is_error()) return reply_error(command.front(), reply->text);
  }
  notes_ = std::move(after);
  return {};
}

/// Queries find the earlier keys until the sink has moved the aliases. The answer is empty when it has, else
/// a sentence.
Result<std::string> RedisVerifier::wait_for_indexes() {
  const std::int64_t until_us =
      context_->clock.now_us() + kIndexPatienceUs + settings_.index_poll_ms * 2 * 1000;
  for (const IndexDefinition& index : settings_.indexes) {
    for (;;) {
      const auto owned = servers_->call(0, {"HGETALL", owned_key(settings_.connector)});
      if (!owned) return owned.error();
      const auto info = servers_->call(0, {"FT.INFO", index.name});
      if (!info) return info.error();
      const IndexPlan::Step step = plan_index(index, *info, read_owned(*owned)).step;
      if (step == IndexPlan::Step::kNothing || step == IndexPlan::Step::kLeave) break;
      const std::int64_t now_us = context_->clock.now_us();
      if (now_us >= until_us || context_->stop.stop_requested()) {
        return "keys of earlier settings stay, as index " + index.name +
               " has not been changed over to the new ones yet; is the sink running? Rebuild again then";
      }
      context_->clock.sleep_until(now_us + kStepUs);
    }
  }
  return std::string();
}

Result<std::uint64_t> RedisVerifier::remove_earlier(const EarlierKeys& earlier) {
  std::uint64_t removed = 0;
  for (std::size_t node = 0; node < servers_->size(); ++node) {
    for (const RowKey& keys : earlier.keys) {
      auto count = remove_earlier_at(node, keys, earlier.redis_type);
      if (!count) return count;
      removed += *count;
    }
  }
  return removed;
}

/// What an output of now may write stays.
Result<std::uint64_t> RedisVerifier::remove_earlier_at(std::size_t node, const RowKey& keys,
                                                       const std::string& redis_type) {
  std::uint64_t removed = 0;
  const auto is_kept = [this](const std::string& key) {
    return std::ranges::any_of(all_keys_, [&](const Owner& owner) { return owner.key.matches(key); });
  };
  std::string cursor = "0";
  do {
    auto found =
        servers_->call(node, {"SCAN", cursor, "MATCH", keys.pattern(), "COUNT", "1000", "TYPE", redis_type});
    if (!found) return std::move(found).error();
    if (found->is_error() || found->elements.size() != 2) return reply_error("SCAN", found->text);
    cursor = found->elements[0].text;
    for (const Reply& key : found->elements[1].elements) {
      if (keys.matches(key.text) && !is_kept(key.text)) servers_->put(node, {"UNLINK", key.text});
    }
    const auto replies = servers_->take();
    if (!replies) return replies.error();
    for (const Reply& reply : *replies) {
      if (reply.is_error()) return reply_error("UNLINK", reply.text);
      removed += static_cast<std::uint64_t>(reply.as_integer());
    }
  } while (cursor != "0" && !context_->stop.stop_requested());
  return removed;
}

Status RedisVerifier::change_all(std::span<Change> changes) {
  while (!changes.empty()) {
    const std::size_t count = servers_->is_cluster() ? 1 : std::min(changes.size(), kChangesAtOnce);
    MILLRACE_TRY(change_if(changes.first(count)));
    changes = changes.subspan(count);
  }
  return {};
}

/// Optimistic locking: EXEC does nothing when one of the keys was touched since WATCH. Then the halves are
/// tried, down to single ones.
Status RedisVerifier::change_if(std::span<Change> changes) {
  if (changes.empty()) return {};
  const std::size_t node = servers_->node_of(changes.front().place.key);
  std::string& out = servers_->client(node).out();
  const auto unchanged = watch(changes, node);
  if (!unchanged) return unchanged.error();
  if (unchanged->empty()) {
    const auto unwatched = servers_->call(node, {"UNWATCH"});
    return unwatched ? Status() : Status(unwatched.error());
  }
  append_command(out, {"MULTI"});
  std::vector<std::size_t> commands;
  std::size_t queued = 0;
  for (const Change* one : *unchanged) queued += commands.emplace_back(one->write(out));
  append_command(out, {"EXEC"});
  auto replies = ask_at(node, queued + 2);
  if (!replies) return std::move(replies).error();
  const Reply& done = replies->back();
  if (done.kind == Reply::Kind::kNull) {
    if (changes.size() == 1) return {};
    MILLRACE_TRY(change_if(changes.first(changes.size() / 2)));
    return change_if(changes.subspan(changes.size() / 2));
  }
  if (done.is_error()) return reply_error("a repair", done.text);
  MILLRACE_CHECK(done.elements.size() == queued);
  std::span<const Reply> rest = done.elements;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    MILLRACE_TRY(take_change(*(*unchanged)[i], rest.first(commands[i])));
    rest = rest.subspan(commands[i]);
  }
  return {};
}

/// Watches all keys; answers the changes whose entries still are as they were.
Result<std::vector<RedisVerifier::Change*>> RedisVerifier::watch(std::span<Change> changes,
                                                                 std::size_t node) {
  std::string& commands = servers_->client(node).out();
  for (const Change& one : changes) append_command(commands, {"WATCH", one.place.key});
  for (const Change& one : changes)
    append_command(commands, read_command(*one.target, one.place.key, one.place.member));
  auto seen = ask_at(node, changes.size() * 2);
  if (!seen) return std::move(seen).error();
  std::vector<Change*> out;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Change& one = changes[i];
    const Content* wanted = one.wanted ? &*one.wanted : nullptr;
    const Content now = found_content(*one.target, (*seen)[changes.size() + i], wanted);
    if (now.fingerprint() == one.found) out.push_back(&one);
  }
  return out;
}

Status RedisVerifier::take_change(const Change& change, std::span<const Reply> replies) {
  for (const Reply& one : replies) {
    if (!one.is_error()) continue;
    if (next_of_error(one.text) != Next::kReject) return reply_error("a repair", one.text);
    change.out->error = reject_sentence(one.text);
  }
  change.out->done = change.out->error.empty();
  return {};
}

Result<std::vector<Repaired>> RedisVerifier::repair(const BatchPtr& batch,
                                                    std::span<const EntryState> states) {
  std::vector<Repaired> out(states.size());
  for (const auto& lane : lanes_) MILLRACE_TRY(repair_lane(*lane, batch, states, out));
  return out;
}

Status RedisVerifier::repair_lane(Lane& lane, const BatchPtr& batch, std::span<const EntryState> states,
                                  std::vector<Repaired>& out) {
  std::vector<Rejected> rejected;
  std::map<std::uint32_t, std::size_t> state_of;  // by row
  lane.begin(as_rows(batch), false);
  for (std::size_t i = 0; i < states.size(); ++i) {
    if (states[i].output != lane.name() || !state_of.emplace(states[i].row, i).second) continue;
    out[i].error = states[i].kind == EntryState::Kind::kUnwritable ? states[i].reason : "";
    if (out[i].error.empty()) static_cast<void>(lane.encoder().add(states[i].row, rejected));
  }
  for (const Rejected& one : rejected) out[state_of.at(one.row)].error = one.error;
  const Overlay overlay = lane.encoder().take();
  std::vector<Change> changes;
  for (const Overlay::Entry& entry : overlay.entries) {
    const std::size_t i = state_of.at(entry.last.row);
    auto wanted = wanted_content(lane.target(), Item(overlay, entry));
    if (!wanted) {
      out[i].error = wanted.error().message;
      continue;
    }
    Change change{.target = &lane.target(), .place = place_of(states[i].handle), .found = states[i].found};
    change.wanted = std::move(*wanted);
    change.out = &out[i];
    change.write = [&lane, &overlay, &entry](std::string& commands) {
      std::vector<Rejected> none;
      return lane.writer().append(commands, overlay, entry, none);
    };
    changes.push_back(std::move(change));
  }
  return change_all(changes);
}

Result<std::vector<Repaired>> RedisVerifier::remove(std::span<const ExtraEntry> entries) {
  std::vector<Repaired> out(entries.size());
  std::vector<Change> changes;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Target& target = find_lane(entries[i].output)->target();
    if (target.nest) {
      out[i].error = "rows inside documents are removed with `millrace reset` only";
      continue;
    }
    Change change{.target = &target, .place = place_of(entries[i].handle), .found = entries[i].found};
    change.out = &out[i];
    change.write = [&target, place = change.place](std::string& commands) -> std::size_t {
      if (target.type == TargetType::kSet) {
        append_command(commands, {"SREM", place.key, place.member});
      } else if (target.type == TargetType::kSortedSet) {
        append_command(commands, {"ZREM", place.key, place.member});
      } else {
        append_command(commands, {"UNLINK", place.key});
      }
      return 1;
    };
    changes.push_back(std::move(change));
  }
  MILLRACE_TRY(change_all(changes));
  return out;
}

}  // namespace

std::unique_ptr<TargetVerifier> make_redis_verifier(Settings settings) {
  return std::make_unique<RedisVerifier>(std::move(settings));
}

}  // namespace millrace::redis
