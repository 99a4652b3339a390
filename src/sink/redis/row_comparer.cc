#include "sink/redis/row_comparer.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <utility>

#include "sink/redis/entry_names.h"
#include "sink/redis/entry_place.h"
#include "sink/redis/entry_reader.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kKeysAtOnce = 100;  // in one call of the script: some 0.3 ms of the server
constexpr std::size_t kReadAtOnce = 1000;

/// A reason stands for what can never be there.
std::uint64_t fingerprint_of(const std::string& reason) { return std::hash<std::string>()(reason) | 1U; }

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
    state.wanted = fingerprint_of(one.error);
    out.push_back(std::move(state));
  }
  const Overlay overlay = lane.encoder().take();
  Entries doubtful;
  MILLRACE_TRY(sort_out(lane, overlay, extras, doubtful));
  for (std::span<const Overlay::Entry* const> rest = doubtful; !rest.empty();) {
    const auto some = rest.first(std::min(rest.size(), kReadAtOnce));
    MILLRACE_TRY(settle_doubts(lane, overlay, some, out));
    rest = rest.subspan(some.size());
  }
  return {};
}

/// Notes the entries, and finds those that a checksum does not prove to be right.
Status RowComparer::sort_out(Lane& lane, const Overlay& overlay, ExtraFinder& extras, Entries& doubtful) {
  std::vector<std::pair<const Overlay::Entry*, std::string>> checked;
  for (const Overlay::Entry& entry : overlay.entries) {
    extras.note(lane, overlay.key(entry), overlay.member(entry));
    if (entry.action == Overlay::Action::kDelete) {  // a sorted set without a score: nothing is there
      if (is_of_one_row(*entry.plan)) doubtful.push_back(&entry);
      continue;
    }
    auto text = wanted_text(lane.target(), Item(overlay, entry));
    if (text) {
      checked.emplace_back(&entry, checksum(*text));
    } else {
      doubtful.push_back(&entry);
    }
  }
  const std::size_t at_once = keys_at_once();
  for (std::size_t i = 0; i < checked.size(); i += at_once) {
    const std::size_t end = std::min(checked.size(), i + at_once);
    std::vector<std::string> command = {"EVALSHA", script_, std::to_string(end - i)};
    for (std::size_t j = i; j < end; ++j) command.emplace_back(overlay.key(*checked[j].first));
    command.emplace_back(traits_of(lane.target().type).redis_type);
    servers_.put(servers_.node_of(overlay.key(*checked[i].first)), command);
  }
  return take_checksums(checked, doubtful);
}

Status RowComparer::take_checksums(const std::vector<std::pair<const Overlay::Entry*, std::string>>& checked,
                                   Entries& doubtful) {
  auto replies = servers_.take();
  if (!replies) return std::move(replies).error();
  const std::size_t at_once = keys_at_once();
  std::size_t next = 0;
  for (const Reply& reply : *replies) {
    if (reply.is_error()) return reply_error("the checksums of keys", reply.text);
    if (reply.elements.size() != std::min(at_once, checked.size() - next))
      return reconnect_error("Redis answered with other checksums than were asked for");
    for (const Reply& one : reply.elements) {
      if (one.text != checked[next].second) doubtful.push_back(checked[next].first);
      ++next;
    }
  }
  return {};
}

/// A script reaches one slot.
std::size_t RowComparer::keys_at_once() const { return servers_.is_cluster() ? 1 : kKeysAtOnce; }

/// Reads the doubtful ones and holds them against their rows by meaning.
Status RowComparer::settle_doubts(Lane& lane, const Overlay& overlay,
                                  std::span<const Overlay::Entry* const> doubtful,
                                  std::vector<EntryState>& out) {
  const Target& target = lane.target();
  std::deque<Content> wanted;  // the questions point to them
  std::vector<EntryQuestion> questions;
  std::vector<EntryState> states;
  for (const Overlay::Entry* entry : doubtful) {
    const Item item(overlay, *entry);
    const EntryPlace place{std::string(item.key), std::string(item.member)};
    EntryState state{.row = entry->last.row, .output = lane.name(), .place = place.shown(target)};
    state.handle = place.handle();
    auto content = wanted_content(target, item);
    if (!content) {
      state.kind = EntryState::Kind::kUnwritable;
      state.reason = content.error().message;
      state.wanted = fingerprint_of(state.reason);
    }
    wanted.push_back(content ? std::move(*content) : Content());
    questions.push_back({target, place, wanted.back().there ? &wanted.back() : nullptr});
    states.push_back(std::move(state));
  }
  const auto found = read_entries(questions, ask_servers(servers_));
  if (!found) return found.error();
  for (std::size_t i = 0; i < states.size(); ++i) {
    const bool unwritable = !states[i].reason.empty();
    if (unwritable || !is_as_wanted(target, Item(overlay, *doubtful[i]), wanted[i], (*found)[i], states[i]))
      out.push_back(std::move(states[i]));
  }
  return {};
}

/// False: `state` says in which way it is not.
bool RowComparer::is_as_wanted(const Target& target, const Item& item, const Content& wanted,
                               const Content& found, EntryState& state) const {
  state.wanted = wanted.fingerprint();
  state.found = found.fingerprint();
  if (!found.there) {
    state.kind = EntryState::Kind::kMissing;
    state.may_have_ended = may_have_ended(target, item);
    const bool is_empty =
        target.type == TargetType::kHash && wanted.fields.empty();  // Redis has no such keys
    return !wanted.there || is_empty || has_ended(item);
  }
  if (!found.fault.empty()) {
    state.kind = EntryState::Kind::kUnwritable;
    state.reason = found.fault;
    return !wanted.there;
  }
  state.kind = EntryState::Kind::kDifferent;
  state.fields = different_fields(wanted, found);
  return wanted.there && state.fields.empty();
}

/// So long after a write that we have not seen.
bool RowComparer::may_have_ended(const Target& target, const Item& item) {
  if (target.expiry.seconds > 0) return true;
  if (!item.plan.expiry) return false;
  const CellType type = item.cells[*item.plan.expiry].type;
  return type == CellType::kInt64 || type == CellType::kUint64;
}

/// Its row says until when it is there.
bool RowComparer::has_ended(const Item& item) const {
  if (!item.plan.expiry) return false;
  const Cell& cell = item.cells[*item.plan.expiry];
  const std::int64_t now_us = clock_.wall_us();
  switch (cell.type) {
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
