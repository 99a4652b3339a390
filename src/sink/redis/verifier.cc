#include "sink/redis/verifier.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "sink/redis/client/servers.h"
#include "sink/redis/entry_changer.h"
#include "sink/redis/entry_names.h"
#include "sink/redis/entry_place.h"
#include "sink/redis/entry_reader.h"
#include "sink/redis/extra_finder.h"
#include "sink/redis/lane.h"
#include "sink/redis/owned_keys.h"
#include "sink/redis/position_store.h"
#include "sink/redis/prepare.h"
#include "sink/redis/rebuild_end.h"
#include "sink/redis/row_comparer.h"
#include "sink/redis/target/content.h"

namespace millrace::redis {
namespace {

bool is_compared(const Target& target) { return !traits_of(target.type).is_history; }

class RedisVerifier final : public TargetVerifier {
 public:
  explicit RedisVerifier(Settings settings) : settings_(std::move(settings)) {
    for (Output& output : settings_.outputs) {
      output.target.guard.reset();  // what it writes is of now, whatever version Redis has
      lanes_.push_back(std::make_unique<Lane>(output));
    }
  }

  Status add_neighbour(const ConnectorConfig& other, std::span<const ScanTable> tables) override;
  Status open(TaskContext& context, std::span<const ScanTable> tables) override;
  std::vector<std::string> limits(std::string_view topic, bool& any) override;
  Status begin(const ScanTable& table) override;
  Status compare(const BatchPtr& batch, std::vector<EntryState>& out) override;
  Result<bool> find_extra(std::vector<ExtraEntry>& out) override { return extras_->find(out); }
  Status look(std::span<ExtraEntry> entries) override;
  Result<std::vector<Repaired>> repair(const BatchPtr& batch, std::span<const EntryState> states) override;
  Result<std::vector<Repaired>> remove(std::span<const ExtraEntry> entries) override;
  Result<std::uint64_t> finish(std::span<const ScanTable> tables, std::vector<std::string>& left) override {
    return end_->finish(tables, left);
  }
  std::string unfinished() override { return end_->unfinished(); }

 private:
  Lane* find_lane(const std::string& output);
  [[nodiscard]] std::vector<std::string> limits_of(Lane& lane, std::string_view topic) const;
  const TablePlan& plan_of(Lane& lane) const;
  Overlay removal(Lane& lane, const EntryPlace& place);
  Status repair_lane(Lane& lane, const BatchPtr& batch, std::span<const EntryState> states,
                     std::vector<Repaired>& out);

  Settings settings_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::unique_ptr<Lane>> neighbours_;  ///< of other sinks with the same server
  std::unique_ptr<Servers> servers_;
  OwnedKeys owned_;
  std::map<std::string, TableSchemaPtr, std::less<>> schemas_;  ///< by topic
  std::optional<RowComparer> comparer_;
  std::optional<ExtraFinder> extras_;
  std::optional<EntryChanger> changer_;
  std::optional<RebuildEnd> end_;
  std::string topic_;
};

Status RedisVerifier::add_neighbour(const ConnectorConfig& other, std::span<const ScanTable> tables) {
  const auto settings = read_settings(other);
  if (!settings) return settings.error();
  if (!same_server(settings->client, settings_.client)) return {};
  for (const Output& output : settings->outputs) {
    Lane& lane = *neighbours_.emplace_back(std::make_unique<Lane>(output));
    for (const ScanTable& table : tables) owned_.add(lane, table);
  }
  return {};
}

Status RedisVerifier::open(TaskContext& context, std::span<const ScanTable> tables) {
  auto servers = Servers::connect(settings_.client, context.clock, context.stop);
  if (!servers) return std::move(servers).error();
  servers_ = std::move(*servers);
  comparer_.emplace(*servers_, context.clock);
  MILLRACE_TRY(comparer_->prepare());
  for (const auto& lane : lanes_) {
    MILLRACE_TRY(load_scripts(*servers_, *lane));
    for (const ScanTable& table : tables) owned_.add(*lane, table);
  }
  for (const ScanTable& table : tables) {
    if (table.schema != nullptr) schemas_.insert_or_assign(table.topic, table.schema);
  }
  extras_.emplace(*servers_, owned_, lanes_);
  changer_.emplace(*servers_, context);
  end_.emplace(*servers_, settings_, owned_, context);
  MILLRACE_TRY(end_->prepare());
  PositionStore store(*servers_, settings_.connector, {});
  auto columns = store.columns();
  if (!columns) return std::move(columns).error();
  for (const auto& lane : lanes_) lane->know_columns(*columns);
  return {};
}

std::vector<std::string> RedisVerifier::limits(std::string_view topic, bool& any) {
  std::vector<std::string> out;
  any = false;
  for (const auto& lane : lanes_) {
    if (!lane->takes_topic(topic)) continue;
    const std::string who = lane->name().empty() ? "" : "output " + lane->name() + ": ";
    if (is_compared(lane->target())) {
      any = true;
      for (const std::string& one : limits_of(*lane, topic)) out.push_back(who + one);
    } else {
      out.push_back(who + "a stream is a history, which is not compared");
    }
  }
  return out;
}

std::vector<std::string> RedisVerifier::limits_of(Lane& lane, std::string_view topic) const {
  const Target& target = lane.target();
  std::vector<std::string> out;
  if (target.expiry.seconds > 0)
    out.emplace_back("keys expire, so one that is missing may have gone by itself");
  if (target.expiry.seconds > 0 || !target.expiry.column.empty() || !target.field_expiries.empty())
    out.emplace_back("when keys and fields expire is not compared");
  if (!target.field_expiries.empty())
    out.emplace_back("fields expire, so those of target.expire.fields are not missed");
  const auto schema = schemas_.find(topic);
  if (schema == schemas_.end()) return out;
  const TablePlan& plan = lane.encoder().plans().plan(topic, schema->second);
  if (!plan.error.empty()) return out;
  if (const EntryNames names(target, plan); !names.unfit().empty()) {
    out.push_back("what rows that are gone have left is not looked for: it does not tell by " +
                  std::string(names.unfit()) + " whose it is");
  } else if (owned_.may_be_shared(lane, topic)) {
    out.emplace_back("keys that rows of another table or output may have too are not taken for extra");
  }
  if (plan.score && !is_of_one_row(plan))
    out.emplace_back("members that several rows may share are not looked at where a row has no score");
  return out;
}

Status RedisVerifier::begin(const ScanTable& table) {
  topic_ = table.topic;
  schemas_.insert_or_assign(topic_, table.schema);
  extras_->begin(table);
  return {};
}

Lane* RedisVerifier::find_lane(const std::string& output) {
  const auto found = std::ranges::find(lanes_, output, [](const auto& lane) { return lane->name(); });
  MILLRACE_CHECK(found != lanes_.end());
  return found->get();
}

Status RedisVerifier::compare(const BatchPtr& batch, std::vector<EntryState>& out) {
  for (const auto& lane : lanes_) {
    if (lane->takes_topic(topic_) && is_compared(lane->target()))
      MILLRACE_TRY(comparer_->compare(*lane, batch, *extras_, out));
  }
  return {};
}

Status RedisVerifier::look(std::span<ExtraEntry> entries) {
  std::vector<EntryQuestion> questions;
  questions.reserve(entries.size());
  for (const ExtraEntry& entry : entries) {
    Lane& lane = *find_lane(entry.output);
    questions.push_back({lane.target(), EntryPlace::of(entry.handle), nullptr, &plan_of(lane)});
  }
  const auto found = read_entries(questions, ask_servers(*servers_));
  if (!found) return found.error();
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i].found = (*found)[i].fingerprint();
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
  std::vector<EntryChange> changes;
  for (const Overlay::Entry& entry : overlay.entries) {
    const std::size_t i = state_of.at(entry.last.row);
    EntryChange change{
        .target = &lane.target(), .place = EntryPlace::of(states[i].handle), .found = states[i].found};
    if (has_others_beside(lane.target())) {
      auto wanted = wanted_content(lane.target(), Item(overlay, entry));
      if (wanted && wanted->there) change.wanted = std::move(*wanted);
    }
    change.out = &out[i];
    change.write = [&lane, &overlay, &entry, repaired = &out[i]](std::string& commands) {
      std::vector<Rejected> refused;
      const std::size_t count = lane.writer().append(commands, overlay, entry, refused);
      if (!refused.empty()) repaired->error = refused.front().error;
      return count;
    };
    changes.push_back(std::move(change));
  }
  return changer_->change(changes);
}

/// As the sink removes them: rows of others that lie in a document wait for the next of its kind.
Result<std::vector<Repaired>> RedisVerifier::remove(std::span<const ExtraEntry> entries) {
  std::vector<Repaired> out(entries.size());
  std::vector<EntryChange> changes;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Lane& lane = *find_lane(entries[i].output);
    EntryChange change{
        .target = &lane.target(), .place = EntryPlace::of(entries[i].handle), .found = entries[i].found};
    change.out = &out[i];
    change.plan = &plan_of(lane);
    change.write = [&lane, gone = removal(lane, change.place)](std::string& commands) {
      std::vector<Rejected> none;
      return lane.writer().append(commands, gone, gone.entries.front(), none);
    };
    changes.push_back(std::move(change));
  }
  MILLRACE_TRY(changer_->change(changes));
  return out;
}

/// Of the table begun.
const TablePlan& RedisVerifier::plan_of(Lane& lane) const {
  return lane.encoder().plans().plan(topic_, schemas_.at(topic_));
}

Overlay RedisVerifier::removal(Lane& lane, const EntryPlace& place) {
  Overlay out;
  Overlay::Entry& entry = out.entries.emplace_back();
  out.keys = place.key + place.member;
  entry.key_size = static_cast<std::uint32_t>(place.key.size());
  entry.member_size = static_cast<std::uint32_t>(place.member.size());
  entry.action = Overlay::Action::kDelete;
  entry.plan = &plan_of(lane);
  return out;
}

}  // namespace

std::unique_ptr<TargetVerifier> make_redis_verifier(Settings settings) {
  return std::make_unique<RedisVerifier>(std::move(settings));
}

}  // namespace millrace::redis
