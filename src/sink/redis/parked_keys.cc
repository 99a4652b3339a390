#include "sink/redis/parked_keys.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::redis {
namespace {

constexpr const char* kBuildsOnParked =
    "the change keeps values of an earlier one of its key that is a dead letter; send both again, in order";

/// Changes of one key come from one stream; should they not, nobody knows which is first.
bool is_behind(const StreamPosition& place, const StreamPosition& other) {
  return place.stream != other.stream || other < place;
}

StreamPosition place_of(const Rejected& row) { return {row.stream, row.sequence, row.row}; }

StreamPosition place_of(const Overlay& overlay, RowId id) {
  const Overlay::Source& source = overlay.batches[id.batch];
  return {source.stream, source.sequence, id.row};
}

/// Of the rows that an entry stands for.
StreamPosition first_place(const Overlay& overlay, const Overlay::Entry& entry) {
  RowId first = entry.last;
  for (std::int32_t link = entry.earlier; link >= 0;
       link = overlay.links[static_cast<std::size_t>(link)].second)
    first = overlay.links[static_cast<std::size_t>(link)].first;
  return place_of(overlay, first);
}

/// An update that is merged writes what its row says has changed.
bool merges(const Overlay& overlay, const Overlay::Entry& entry) {
  if (entry.action != Overlay::Action::kPut || entry.earlier >= 0) return false;
  const Row row = overlay.batches[entry.last.batch].batch->row(entry.last.row);
  return row.op == Op::kUpdate && !row.before.empty();
}

}  // namespace

ParkedKeys::Id ParkedKeys::id_of(const Rejected& row) {
  return {row.target_key + row.member, row.target_key.size()};
}

ParkedKeys::IdView ParkedKeys::id_of(const Overlay& overlay, const Overlay::Entry& entry) {
  return {std::string_view(overlay.keys).substr(entry.key_offset, entry.key_size + entry.member_size),
          entry.key_size};
}

void ParkedKeys::add(const Rejected& row) {
  if (!keeps_ || row.target_key.empty()) return;
  if (rows_ == kMaxRows) {
    overflown_ = true;
    return;
  }
  output_ = row.output;
  Id id = id_of(row);
  std::vector<Row>& rows = keys_[id];
  const StreamPosition place = place_of(row);
  const auto same = std::ranges::find(rows, place, &Row::place);
  if (same == rows.end()) {
    rows.push_back({place, row.moved_from});
    ++rows_;
  } else if (!row.moved_from.empty()) {
    same->moved_from = row.moved_from;
  }
  if (!row.moved_from.empty()) left_[row.moved_from] = std::move(id);
}

void ParkedKeys::add(std::span<const Rejected> rows) {
  for (const Rejected& row : rows) add(row);
}

void ParkedKeys::remove(const Rejected& row) {
  const auto at = keys_.find(id_of(row));
  if (at == keys_.end()) return;
  rows_ -= std::erase_if(at->second, [&](const Row& one) { return one.place == place_of(row); });
  if (at->second.empty()) keys_.erase(at);
}

void ParkedKeys::clear() { *this = ParkedKeys(keeps_); }

bool ParkedKeys::lacks(std::string_view key, std::string_view member, const StreamPosition& place) const {
  if (overflown_) return true;
  if (keys_.empty()) return false;
  const auto at = keys_.find(Id{std::string(key) += member, key.size()});
  return at != keys_.end() &&
         std::ranges::any_of(at->second, [&](const Row& row) { return is_behind(place, row.place); });
}

void ParkedKeys::applied(const Overlay& overlay, const Overlay::Entry& entry) {
  const IdView id = id_of(overlay, entry);
  if (entry.is_parked) return;
  forget_left_behind(id);
  const auto at = keys_.find(id);
  if (at == keys_.end()) return;
  const StreamPosition by = place_of(overlay, entry.last);
  const bool resent = overlay.batches[entry.last.batch].resent;
  rows_ -= std::erase_if(at->second, [&](const Row& row) {
    if (is_behind(row.place, by)) return false;
    if (!resent || row.place != by) {
      Overtaken& one = overtaken_.emplace_back();
      one.by = by;
      one.row.stream = row.place.stream;
      one.row.sequence = row.place.sequence;
      one.row.row = row.place.row;
      one.row.output = output_;
    }
    return true;
  });
  if (at->second.empty()) keys_.erase(at);
}

/// Another row is under that key by now.
void ParkedKeys::forget_left_behind(const IdView& id) {
  if (left_.empty()) return;
  const auto left = left_.find(std::string(id.text.substr(0, id.key_size)));
  if (left == left_.end()) return;
  if (const auto at = keys_.find(left->second); at != keys_.end()) {
    for (Row& row : at->second) {
      if (row.moved_from == left->first) row.moved_from.clear();
    }
  }
  left_.erase(left);
}

void ParkedKeys::take_overtaken(const LogPosition& settled, std::vector<Rejected>& out) {
  std::erase_if(overtaken_, [&](Overtaken& one) {
    const bool done = one.by < settled.at(one.by.stream);
    if (done) out.push_back(std::move(one.row));
    return done;
  });
}

std::vector<std::string> ParkedKeys::left_behind(const IdView& id, const StreamPosition& place) const {
  std::vector<std::string> out;
  const auto at = left_.empty() ? keys_.end() : keys_.find(id);
  if (at == keys_.end()) return out;
  for (const Row& row : at->second) {
    if (!row.moved_from.empty() && is_behind(place, row.place)) out.push_back(row.moved_from);
  }
  return out;
}

std::unordered_set<std::size_t> ParkedKeys::waiting(const Overlay& overlay, bool merge) const {
  std::unordered_set<std::size_t> out;
  for (const Overlay::Entry& entry : overlay.entries) {
    if (entry.action == Overlay::Action::kPatch || (merge && merges(overlay, entry))) out.insert(entry.hash);
    if (left_.empty()) continue;
    for (const std::string& key : left_behind(id_of(overlay, entry), place_of(overlay, entry.last)))
      out.insert(std::hash<std::string_view>()(key));
  }
  return out;
}

void ParkedKeys::hold_back(Overlay& overlay, bool merge, std::vector<Rejected>& rejected) {
  if (empty()) return;
  for (std::size_t i = 0; i < overlay.entries.size(); ++i) {  // which grows
    Overlay::Entry& entry = overlay.entries[i];
    const bool patch = entry.action == Overlay::Action::kPatch;
    if ((patch || (merge && merges(overlay, entry))) &&
        lacks(overlay.key(entry), overlay.member(entry), first_place(overlay, entry))) {
      entry.writes_all = true;
      if (!patch) continue;
      const std::size_t known = rejected.size();
      overlay.reject(entry, kBuildsOnParked, rejected);
      add(std::span(rejected).subspan(known));
      entry.action = Overlay::Action::kNothing;
      continue;
    }
    for (const std::string& key : left_behind(id_of(overlay, entry), place_of(overlay, entry.last))) {
      const auto has_key = [&](const Overlay::Entry& one) { return overlay.key(one) == key; };
      if (std::ranges::none_of(overlay.entries, has_key)) overlay.add_removal(key, overlay.entries[i]);
    }
  }
}

bool ParkedKeys::hold_back_move(const Overlay& move, std::string_view from, std::vector<Rejected>& rejected) {
  if (move.empty() || empty()) return false;
  const Overlay::Entry& entry = move.entries.front();
  const StreamPosition place = place_of(move, entry.last);
  if (!lacks(from, {}, place) && !lacks(move.key(entry), {}, place)) return false;
  const std::size_t known = rejected.size();
  move.reject(entry, kBuildsOnParked, rejected);
  add(std::span(rejected).subspan(known));
  return true;
}

}  // namespace millrace::redis
