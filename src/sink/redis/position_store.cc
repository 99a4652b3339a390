#include "sink/redis/position_store.h"

#include <algorithm>
#include <utility>

namespace millrace::redis {
namespace {

void add_columns(std::vector<TopicColumns>& to, std::vector<TopicColumns> more) {
  for (TopicColumns& columns : more) {
    const auto same = std::ranges::find(to, columns.topic, &TopicColumns::topic);
    if (same == to.end()) {
      to.push_back(std::move(columns));
      continue;
    }
    for (std::string& name : columns.names)
      if (std::ranges::count(same->names, name) == 0) same->names.push_back(std::move(name));
  }
}

}  // namespace

PositionStore::PositionStore(Servers& servers, std::string sink, std::string log_id)
    : servers_(servers), sink_(std::move(sink)), log_id_(std::move(log_id)) {
  if (!servers_.is_cluster()) {
    keys_.push_back(position_key(sink_));
    return;
  }
  for (const SlotMap::Node& node : servers_.map().nodes)
    keys_.push_back(record_key(sink_, node.slots.front().first));
}

bool PositionStore::is_own(std::string_view key) const { return key.starts_with(position_key(sink_)); }

std::vector<std::string> PositionStore::command(std::size_t node, const LogPosition& position,
                                                const LogPosition& begun) const {
  if (!servers_.is_cluster()) return position_command(keys_[node], log_id_, position);
  return record_command(keys_[node], log_id_,
                        {0, servers_.map().nodes[node].slots, position, furthest(position, begun)});
}

Result<PositionStore::Found> PositionStore::read() { return servers_.is_cluster() ? read_all() : read_one(); }

Result<PositionStore::Found> PositionStore::read_one() {
  auto reply = servers_.call(0, {"HGETALL", keys_.front()});
  if (!reply) return std::move(reply).error();
  if (reply->is_error()) return reply_error("to show the position under " + keys_.front(), reply->text);
  auto position = read_position(*reply, keys_.front(), log_id_);
  if (!position) return std::move(position).error();
  Found found;
  const Reply* log = reply->find("log");
  if (log != nullptr && log->text != log_id_) found.foreign = keys_.front();
  found.known = {log != nullptr && reply->find("position") != nullptr};
  found.start = std::move(*position);
  found.begun = found.start;
  found.columns = read_columns(*reply);
  return found;
}

/// The hash of each slot: one may lie in the first slot that some master had when it was written.
Result<std::vector<Reply>> PositionStore::read_slots() {
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    servers_.put(servers_.map().owner[slot],
                 {"HGETALL", record_key(sink_, static_cast<std::uint16_t>(slot))});
  }
  return servers_.take();
}

Result<std::vector<TopicColumns>> PositionStore::columns() {
  std::vector<TopicColumns> out;
  if (!servers_.is_cluster()) {
    auto reply = servers_.call(0, {"HGETALL", keys_.front()});
    if (!reply) return std::move(reply).error();
    return read_columns(*reply);
  }
  auto replies = read_slots();
  if (!replies) return std::move(replies).error();
  for (const Reply& reply : *replies) add_columns(out, read_columns(reply));
  return out;
}

Result<PositionStore::Found> PositionStore::read_all() {
  auto replies = read_slots();
  if (!replies) return std::move(replies).error();
  Found found;
  records_.clear();
  elsewhere_.clear();
  found.known.assign(keys_.size(), false);
  for (std::size_t slot = 0; slot < kSlots; ++slot)
    MILLRACE_TRY(take_one((*replies)[slot], static_cast<std::uint16_t>(slot), found));
  const SlotPositions all = combine(records_);
  found.start = all.start;
  found.complete = all.complete;
  // What is filled again from the beginning needs no telling of what was there once.
  if (all.complete) found.begun = all.begun;
  return found;
}

Status PositionStore::take_one(const Reply& reply, std::uint16_t slot, Found& found) {
  const std::string key = record_key(sink_, slot);
  if (reply.is_error()) return reply_error("to show the position under " + key, reply.text);
  if (reply.elements.empty()) return {};
  add_columns(found.columns, read_columns(reply));
  const auto own = std::ranges::find(keys_, key);
  if (own == keys_.end()) elsewhere_.push_back(key);
  auto record = read_record(reply, key, log_id_);
  if (!record) return std::move(record).error();
  if (!*record) {
    if (reply.find("log") != nullptr) found.foreign = key;
    return {};
  }
  (*record)->at = slot;
  if (own != keys_.end()) found.known[static_cast<std::size_t>(own - keys_.begin())] = true;
  records_.push_back(std::move(**record));
  return {};
}

Status PositionStore::arrange(Found& found) {
  if (!servers_.is_cluster()) return {};
  const auto speaks_for = [this](std::size_t node) {
    const auto at = servers_.map().nodes[node].slots.front().first;
    const auto record = std::ranges::find(records_, at, &SlotRecord::at);
    return record != records_.end() && record->slots == servers_.map().nodes[node].slots;
  };
  bool changed = false;
  for (std::size_t i = 0; i < keys_.size(); ++i) changed = changed || !speaks_for(i);
  if (found.complete && changed) {
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      servers_.put(i, command(i, found.start, found.begun));
      for (const TopicColumns& columns : found.columns)
        servers_.put(i, columns_command(keys_[i], columns.topic, columns.names));
    }
    found.known.assign(keys_.size(), true);
  }
  auto written = servers_.take();
  if (!written) return std::move(written).error();
  for (const Reply& reply : *written)
    if (reply.is_error()) return reply_error("the position", reply.text);
  for (const std::string& key : std::exchange(elsewhere_, {}))
    servers_.put(servers_.node_of(key), {"UNLINK", key});
  auto removed = servers_.take();
  return removed ? Status() : Status(std::move(removed).error());
}

Status PositionStore::forget() {
  for (std::size_t i = 0; i < keys_.size(); ++i) servers_.put(i, {"UNLINK", keys_[i]});
  auto replies = servers_.take();
  if (!replies) return std::move(replies).error();
  for (const Reply& reply : *replies)
    if (reply.is_error()) return reply_error("UNLINK " + keys_.front(), reply.text);
  return {};
}

}  // namespace millrace::redis
