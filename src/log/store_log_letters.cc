// The part of the log that keeps what sinks have rejected.
#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "event/row_copy.h"
#include "log/image_codec.h"
#include "log/store_log_impl.h"

namespace millrace {
namespace {

// What one write may hold; a wrong key template rejects thousands of rows at once.
constexpr std::size_t kMaxWriteBytes = 1U << 20U;
constexpr std::size_t kLettersAtOnce = 1000;
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

StreamPosition place_of(const Rejected& rejected) {
  return {rejected.stream, rejected.sequence, rejected.row};
}

}  // namespace

/// Letters on their way to the disk, in writes of bounded size. Under the sink's `writing`.
struct StoreLog::LetterWrite {
  StoreWrite write;
  std::size_t bytes = 0;
  LetterTally tally;  ///< once all is written

  void put(std::string key, std::string value) {
    bytes += key.size() + value.size();
    write.put(kMetaSpace, std::move(key), std::move(value));
  }
};

Result<std::optional<DeadLetter>> StoreLog::find_letter(std::string_view sink, std::uint64_t id) {
  auto bytes = store_->get(kMetaSpace, keys::dead_letter(sink, id));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return std::optional<DeadLetter>();
  auto letter = decode<DeadLetter>(**bytes);
  if (!letter) return std::move(letter).error();
  letter->id = id;
  return std::optional(std::move(*letter));
}

Result<std::optional<DeadLetter>> StoreLog::dead_letter_of(std::string_view sink, const StreamPosition& row,
                                                           std::string_view output) {
  auto bytes = store_->get(kMetaSpace, keys::reject(sink, row, output));
  if (!bytes) return std::move(bytes).error();
  if (!*bytes) return std::optional<DeadLetter>();
  const auto id = decode<std::uint64_t>(**bytes);
  if (!id) return id.error();
  return find_letter(sink, *id);
}

/// The row's place in its source, and a copy of it as far as there is room. What cannot be read is no reason
/// to keep the sink from going on.
void StoreLog::keep_row(std::string_view sink, DeadLetter& letter, const BatchPtr& batch, LetterWrite& out) {
  const std::uint32_t row = letter.rejected.row;
  letter.row = LetterRow::kGone;
  if (batch == nullptr || row >= batch->size()) return;
  const Row cells = batch->row(row);
  letter.commit = batch->commit(batch->transaction(cells));
  letter.index = cells.index;
  std::string packed;
  pack_image(copy_row(*batch, row)->image_parts(), packed);
  letter.row = LetterRow::kTooLarge;
  if (packed.size() > kMaxLetterRowBytes) return;
  letter.row = LetterRow::kNoRoom;
  if (out.tally.row_bytes + packed.size() > kMaxLetterBytes) return;
  letter.row = LetterRow::kCopied;
  letter.row_bytes = static_cast<std::uint32_t>(packed.size());
  out.tally.row_bytes += packed.size();
  out.put(keys::letter_row(sink, letter.id), std::move(packed));
}

Status StoreLog::park(std::string_view sink, const Rejected& row, const BatchPtr& batch, LetterWrite& out) {
  auto found = dead_letter_of(sink, place_of(row), row.output);
  if (!found) return std::move(found).error();
  const std::int64_t now_us = environment_.clock.wall_us();
  DeadLetter letter = std::move(*found).value_or(DeadLetter());
  if (letter.id == 0) {
    letter.id = out.tally.next++;
    letter.at_us = letter.changed_us = now_us;
    ++out.tally.open;
    ++out.tally.all;
  } else if (!is_open(letter.state)) {
    add_event(letter, {now_us, LetterEvent::What::kParked, LetterState::kParked, {}, row.error, {}});
    ++out.tally.open;
  }
  letter.rejected = row;
  if (letter.row != LetterRow::kCopied) keep_row(sink, letter, batch, out);
  out.put(keys::reject(sink, place_of(row), row.output), encode_number(letter.id));
  out.put(keys::dead_letter(sink, letter.id), encode(letter));
  return {};
}

Status StoreLog::settle(std::string_view name, const LogPosition& durable,
                        std::span<const Rejected> rejected) {
  Sink& sink = sink_of(name);
  const std::lock_guard writing(sink.writing);
  LetterWrite out;
  out.tally = sink.letters;
  // A row that an output names twice is one letter, with its last error.
  std::map<std::pair<StreamPosition, std::string_view>, const Rejected*> rows;
  for (const Rejected& row : rejected) rows[{place_of(row), row.output}] = &row;
  BatchPtr batch;
  StreamPosition of;
  for (const auto& [which, row] : rows) {
    const StreamPosition& place = which.first;
    if (batch == nullptr || place.stream != of.stream || place.sequence != of.sequence) {
      auto found = batch_at(place.stream, place.sequence);
      batch = found ? std::move(*found) : nullptr;
      of = place;
    }
    MILLRACE_TRY(park(name, *row, batch, out));
    if (out.bytes >= kMaxWriteBytes) MILLRACE_TRY(write_letters(name, sink, out));
  }
  out.put(keys::sink(name), durable.text());
  MILLRACE_TRY(write_letters(name, sink, out));
  const std::lock_guard lock(mutex_);
  sink.position = durable;
  return {};
}

Status StoreLog::write_letters(std::string_view name, Sink& sink, LetterWrite& out) {
  if (out.tally.next != sink.letters.next) out.put(keys::next_letter(name), encode_number(out.tally.next));
  MILLRACE_TRY(store_->write(out.write));
  out.write = {};
  out.bytes = 0;
  const std::lock_guard lock(mutex_);
  sink.letters = out.tally;
  return {};
}

Result<std::vector<DeadLetter>> StoreLog::dead_letters(std::string_view sink, std::uint64_t from_id,
                                                       std::size_t limit) {
  auto entries = store_->scan(kMetaSpace, keys::dead_letter(sink, from_id),
                              keys::prefix_end(keys::dead_letters(sink)), {limit, SIZE_MAX});
  if (!entries) return std::move(entries).error();
  std::vector<DeadLetter> out;
  for (const StoreEntry& entry : *entries) {
    auto letter = decode<DeadLetter>(entry.value);
    if (!letter) return std::move(letter).error();
    letter->id = keys::tail_u64(entry.key);
    out.push_back(std::move(*letter));
  }
  return out;
}

Result<LetterImage> StoreLog::dead_letter_row(std::string_view sink, const DeadLetter& letter) {
  const Rejected& place = letter.rejected;
  auto stream = find_stream(place.stream);
  if (!stream) return LetterImage();
  if (letter.row == LetterRow::kCopied) {
    auto packed = store_->get(kMetaSpace, keys::letter_row(sink, letter.id));
    if (!packed) return std::move(packed).error();
    if (*packed) {
      auto batch = decode_batch(**stream, place.sequence, **packed);
      if (!batch) return std::move(batch).error();
      return LetterImage{std::move(*batch), 0};
    }
  }
  const auto is_there = [&] {
    const std::lock_guard lock(mutex_);
    const StreamState& state = (*stream)->state;
    return place.sequence >= state.first.sequence && place.sequence < state.head.next_sequence;
  };
  if (!is_there()) return LetterImage();
  auto batch = load_batch(**stream, place.sequence);
  if (!batch && !is_there()) return LetterImage();  // cut just now
  if (!batch) return std::move(batch).error();
  if (place.row >= (*batch)->size()) return LetterImage();
  return LetterImage{std::move(*batch), place.row};
}

Status StoreLog::update_dead_letters(std::string_view name, std::span<const DeadLetter> letters) {
  Sink& sink = sink_of(name);
  const std::lock_guard writing(sink.writing);
  LetterWrite out;
  out.tally = sink.letters;
  for (const DeadLetter& letter : letters) {
    auto before = find_letter(name, letter.id);
    if (!before) return std::move(before).error();
    if (!*before) continue;
    if (is_open((*before)->state)) --out.tally.open;
    if (is_open(letter.state)) ++out.tally.open;
    if (!is_open(letter.state)) out.tally.purge_us = std::min(out.tally.purge_us, letter.changed_us);
    out.put(keys::dead_letter(name, letter.id), encode(letter));
  }
  return write_letters(name, sink, out);
}

LetterCounts StoreLog::dead_letter_counts(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto it = sinks_.find(name);
  if (it == sinks_.end()) return {};
  return {it->second->letters.open, it->second->letters.next - 1};
}

/// Calls `take` for each letter of a sink.
Status StoreLog::each_letter(std::string_view sink, const std::function<void(const DeadLetter&)>& take) {
  for (std::uint64_t from = 0;;) {
    const auto letters = dead_letters(sink, from, kLettersAtOnce);
    if (!letters) return letters.error();
    for (const DeadLetter& letter : *letters) take(letter);
    if (letters->size() < kLettersAtOnce) return {};
    from = letters->back().id + 1;
  }
}

/// At start: what the letters on the disk come to.
Status StoreLog::load_letters(std::string_view name, Sink& sink) {
  LetterTally& tally = sink.letters;
  MILLRACE_TRY(each_letter(name, [&tally](const DeadLetter& letter) {
    ++tally.all;
    if (is_open(letter.state)) ++tally.open;
    if (!is_open(letter.state)) tally.purge_us = std::min(tally.purge_us, letter.changed_us);
    tally.row_bytes += letter.row_bytes;
    tally.next = letter.id + 1;
  }));
  auto next = store_->get(kMetaSpace, keys::next_letter(name));
  if (!next) return std::move(next).error();
  if (!*next) return {};
  const auto number = decode<std::uint64_t>(**next);
  if (!number) return number.error();
  tally.next = std::max(tally.next, *number);
  return {};
}

/// Removes letters that were dealt with long ago, or are more than shall be kept, the oldest first.
Status StoreLog::purge_letters(const std::string& name, const RetentionPolicy& policy, std::int64_t wall_us) {
  Sink& sink = sink_of(name);
  const std::lock_guard writing(sink.writing);
  LetterTally tally = sink.letters;
  const auto bound = policy.dead_letters < 0 ? UINT64_MAX : static_cast<std::uint64_t>(policy.dead_letters);
  const std::int64_t before_us = policy.dead_letter_ms < 0 ? 0 : wall_us - policy.dead_letter_ms * 1000;
  if (tally.purge_us >= before_us && tally.all - tally.open <= bound) return {};
  std::vector<std::pair<std::int64_t, std::uint64_t>> finished;
  MILLRACE_TRY(each_letter(name, [&finished](const DeadLetter& letter) {
    if (!is_open(letter.state)) finished.emplace_back(letter.changed_us, letter.id);
  }));
  std::ranges::sort(finished);
  LetterWrite out;
  out.tally = tally;
  std::size_t gone = 0;
  for (; gone < finished.size(); ++gone) {
    if (finished[gone].first >= before_us && finished.size() - gone <= bound) break;
    auto letter = find_letter(name, finished[gone].second);
    if (!letter) return std::move(letter).error();
    if (!*letter) continue;
    --out.tally.all;
    out.tally.row_bytes -= (*letter)->row_bytes;
    out.write.remove(kMetaSpace,
                     keys::reject(name, place_of((*letter)->rejected), (*letter)->rejected.output));
    out.write.remove(kMetaSpace, keys::letter_row(name, (*letter)->id));
    out.write.remove(kMetaSpace, keys::dead_letter(name, (*letter)->id));
  }
  out.tally.purge_us = gone < finished.size() ? finished[gone].first : kNever;
  return write_letters(name, sink, out);
}

}  // namespace millrace
