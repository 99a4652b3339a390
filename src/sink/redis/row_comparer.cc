#include "sink/redis/row_comparer.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "sink/redis/entry_place.h"
#include "sink/redis/target/content.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kKeysAtOnce = 100;  // in one call of the script: some 0.3 ms of the server

}  // namespace

ReadBatch as_rows(const BatchPtr& batch) {
  ReadBatch rows;
  rows.batch = batch;
  rows.stream = 1;
  rows.sequence = 1;
  rows.end_row = static_cast<std::uint32_t>(batch->size());
  rows.topic_selected.assign(batch->topics().size(), true);
  return rows;
}

Status RowComparer::prepare() {
  auto script = servers_.load_script(kChecksums);
  if (!script) return std::move(script).error();
  script_ = std::move(*script);
  return {};
}

Status RowComparer::compare(Lane& lane, const BatchPtr& batch, ExtraFinder& extras,
                            std::vector<EntryState>& out) {
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
  Entries doubtful;
  MILLRACE_TRY(sort_out(lane, overlay, extras, doubtful));
  return settle_doubts(lane, overlay, doubtful, out);
}

/// Notes the keys, and finds the entries that a checksum does not prove to be right.
Status RowComparer::sort_out(Lane& lane, const Overlay& overlay, ExtraFinder& extras, Entries& doubtful) {
  std::vector<std::pair<const Overlay::Entry*, std::string>> checked;
  for (const Overlay::Entry& entry : overlay.entries) {
    extras.note(lane, overlay.key(entry));
    if (entry.action == Overlay::Action::kDelete) continue;  // a sorted set without a score: nothing is there
    auto text = wanted_text(lane.target(), Item(overlay, entry));
    if (text) {
      checked.emplace_back(&entry, checksum(*text));
    } else {
      doubtful.push_back(&entry);
    }
  }
  const std::size_t at_once = servers_.is_cluster() ? 1 : kKeysAtOnce;  // a script reaches one slot
  for (std::size_t i = 0; i < checked.size(); i += at_once) {
    const std::size_t end = std::min(checked.size(), i + at_once);
    std::vector<std::string> command = {"EVALSHA", script_, std::to_string(end - i)};
    for (std::size_t j = i; j < end; ++j) command.emplace_back(overlay.key(*checked[j].first));
    command.emplace_back(traits_of(lane.target().type).redis_type);
    servers_.put(servers_.node_of(overlay.key(*checked[i].first)), command);
  }
  auto replies = servers_.take();
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
Status RowComparer::settle_doubts(Lane& lane, const Overlay& overlay, const Entries& doubtful,
                                  std::vector<EntryState>& out) {
  for (const Overlay::Entry* entry : doubtful) {
    const std::string_view key = overlay.key(*entry);
    servers_.put(servers_.node_of(key), read_command(lane.target(), key, overlay.member(*entry)));
  }
  auto replies = servers_.take();
  if (!replies) return std::move(replies).error();
  for (std::size_t i = 0; i < doubtful.size(); ++i) {
    const Item item(overlay, *doubtful[i]);
    EntryState state{.row = item.entry.last.row, .output = lane.name()};
    const EntryPlace place{std::string(item.key), std::string(item.member)};
    state.place = place.shown(lane.target());
    state.handle = place.handle();
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
bool RowComparer::may_be_gone(const Target& target, const Item& item) const {
  if (target.expiry.seconds > 0) return true;
  if (!item.plan.expiry) return false;
  const Cell& cell = item.cells[*item.plan.expiry];
  const std::int64_t now_us = clock_.wall_us();
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

}  // namespace millrace::redis
