#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "log/image_codec.h"
#include "log/store_log_impl.h"

namespace millrace {
namespace {

// Small batches are read from the disk several at a time: one seek, one call.
constexpr ScanLimits kReadAhead{64, 256U << 10U};
// A reader that wants little of what is there still comes back now and then, with its position moved on.
constexpr int kMaxSkippedBatches = 256;

constexpr const char* kDamageHint =
    "the disk gave back other bytes than were written, or the log's directory was changed by something else. "
    "Check the "
    "disk, then restore log.dir from a copy; or move it away and let the sources take their snapshots again";

std::vector<bool> select_topics(const Batch& batch, const std::function<bool(std::string_view)>& wants) {
  std::vector<bool> selected;
  selected.reserve(batch.topics().size());
  for (const std::string_view topic : batch.topics()) selected.push_back(wants(topic));
  return selected;
}

bool any_selected(const ReadBatch& rows) {
  if (std::find(rows.topic_selected.begin(), rows.topic_selected.end(), true) == rows.topic_selected.end())
    return false;
  for (std::uint32_t i = rows.first_row; i < rows.end_row; ++i) {
    if (rows.selected(i)) return true;
  }
  return false;
}

/// Behind the last row of a batch is the beginning of the next; one that is not visible to its end is gone on
/// with.
StreamPosition position_after(StreamPosition start, std::uint32_t end_row, std::size_t batch_rows) {
  if (end_row >= batch_rows) return {start.stream, start.sequence + 1, 0};
  return {start.stream, start.sequence, end_row};
}

}  // namespace

Result<StoreLog::Stream*> StoreLog::find_stream(StreamId stream) {
  const std::lock_guard lock(mutex_);
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return stop_error(fmt::format("the log has no stream {}", stream));
  return it->second.get();
}

Error StoreLog::cut_error(const Stream& stream, std::uint64_t sequence) const {
  return stop_error(
      fmt::format("{}: batch {} is gone, retention has cut everything before {}", stream.label(), sequence,
                  stream.state.first.sequence),
      "what the sink missed is no longer in the log. `millrace reset SINK` lets it go on from the "
      "earliest rows still there, `millrace reset SOURCE` then reads the tables anew; and raise "
      "log.retention.ms or log.retention.bytes");
}

Status StoreLog::check_position(const LogPosition& position) const {
  for (const StreamPosition& at : position.streams()) {
    const auto it = streams_.find(at.stream);
    const std::uint64_t end = it == streams_.end() ? 0 : it->second->state.head.next_sequence;
    if (at.sequence > end || (it == streams_.end() && (at.sequence > 0 || at.row > 0))) {
      return stop_error(
          fmt::format("position {} is ahead of the log: stream {} ends at batch {}", position.text(),
                      at.stream, end),
          "the log was restored from an older copy or replaced. `millrace reset SINK` lets the sink start "
          "from the earliest rows, `millrace reset SOURCE` then reads the tables anew");
    }
  }
  for (const auto& [id, stream] : streams_) {
    const std::uint64_t sequence = position.at(id).sequence;
    if (sequence < stream->state.first.sequence) return cut_error(*stream, sequence);
  }
  return {};
}

/// The visible end of a stream of which no row up to there is wanted. Under `mutex_`: a topic is known before
/// its first row is visible.
std::optional<StreamPosition> StoreLog::end_if_unwanted(StreamId stream, const TopicFilter& wants) const {
  for (const auto& [name, topic] : topics_) {
    if (topic->stream == stream && wants(name)) return std::nullopt;
  }
  const auto it = streams_.find(stream);
  if (it == streams_.end()) return std::nullopt;
  return it->second->state.visible_end();
}

/// Retention may have cut what a reader has not passed of a stream that it does not read: it misses nothing.
void StoreLog::leave_unwanted_cuts(LogPosition& at, const TopicFilter& wants) const {
  const std::lock_guard lock(mutex_);
  for (const auto& [id, stream] : streams_) {
    if (at.at(id).sequence >= stream->state.first.sequence) continue;
    if (const auto end = end_if_unwanted(id, wants)) at.set(*end);
  }
}

Result<std::optional<StoreLog::Next>> StoreLog::next_batch(const LogPosition& at) {
  const std::lock_guard lock(mutex_);
  MILLRACE_TRY(check_position(at));
  if (streams_.empty()) return std::optional<Next>{};
  // Round robin without a memory of its own: every batch read moves the sum of the sequences on by one.
  std::uint64_t turn = 0;
  for (const StreamPosition& position : at.streams()) turn += position.sequence;
  auto it = std::next(streams_.begin(), static_cast<std::ptrdiff_t>(turn % streams_.size()));
  for (std::size_t tried = 0; tried < streams_.size(); ++tried) {
    Stream& stream = *it->second;
    const StreamState& state = stream.state;
    const StreamPosition start = state.skip_holes(at.at(state.id));
    if (start < state.visible_end()) {
      BatchPtr batch = state.tail.get(start.sequence);
      if (batch == nullptr) batch = state.history.get(start.sequence);
      return std::optional<Next>(
          Next{&stream, start, state.visible_rows(start.sequence, UINT32_MAX), std::move(batch)});
    }
    if (++it == streams_.end()) it = streams_.begin();
  }
  return std::optional<Next>{};
}

Result<BatchPtr> StoreLog::decode_batch(Stream& stream, std::uint64_t sequence, const std::string& packed) {
  const auto resolve = [this, &stream](std::uint32_t id) -> Result<TableSchemaPtr> {
    const std::lock_guard lock(mutex_);
    const auto it = stream.state.schemas.find(id);
    if (it == stream.state.schemas.end()) return stop_error(fmt::format("schema {} is not in the log", id));
    return it->second;
  };
  auto image = unpack_image(packed);
  if (image) {
    auto batch = Batch::from_image(std::move(*image), resolve);
    if (batch) return batch;
    image = std::move(batch).error();
  }
  return stop_error(fmt::format("{}, batch {}: {}", stream.label(), sequence, image.error().message),
                    kDamageHint);
}

Result<BatchPtr> StoreLog::load_batch(Stream& stream, std::uint64_t sequence) {
  std::uint64_t end = 0;
  {
    const std::lock_guard lock(mutex_);
    if (BatchPtr batch = stream.state.tail.get(sequence)) return batch;
    if (BatchPtr batch = stream.state.history.get(sequence)) return batch;
    end = stream.state.head.next_sequence;
  }
  auto entries =
      store_->scan(keys::image_space(stream.state.id), keys::image(sequence), keys::image(end), kReadAhead);
  if (!entries) {
    Error error = std::move(entries).error();
    error.message = fmt::format("{}, batch {}: {}", stream.label(), sequence, error.message);
    return error;
  }
  if (entries->empty() || keys::tail_u64(entries->front().key) != sequence) {
    const std::lock_guard lock(mutex_);
    if (sequence < stream.state.first.sequence) return cut_error(stream, sequence);
    return stop_error(fmt::format("{}: batch {} is missing", stream.label(), sequence), kDamageHint);
  }
  BatchPtr wanted;
  for (const StoreEntry& entry : *entries) {
    const std::uint64_t at = keys::tail_u64(entry.key);
    auto batch = decode_batch(stream, at, entry.value);
    if (!batch) {
      if (wanted == nullptr) return batch;
      break;  // told when it is asked for
    }
    if (wanted == nullptr) wanted = *batch;
    const std::lock_guard lock(mutex_);
    stream.state.history.put(at, std::move(*batch));
  }
  return wanted;
}

Result<BatchPtr> StoreLog::batch_at(StreamId stream, std::uint64_t sequence) {
  auto found = find_stream(stream);
  if (!found) return std::move(found).error();
  {
    const std::lock_guard lock(mutex_);
    const StreamState& state = (*found)->state;
    if (sequence < state.first.sequence) return cut_error(**found, sequence);
    if (sequence >= state.head.next_sequence) {
      return stop_error(fmt::format("{} has no batch {}", (*found)->label(), sequence));
    }
  }
  return load_batch(**found, sequence);
}

StoreLog::Waiter StoreLog::arm(std::int64_t until_us) {
  const std::int64_t wait_us = std::max<std::int64_t>(0, until_us - environment_.clock.now_us());
  const std::lock_guard lock(mutex_);
  return {std::chrono::steady_clock::now() + std::chrono::microseconds(wait_us), changes_, wakes_};
}

/// True when something was appended since the waiter was armed, which arms it anew. False: time is up, or
/// woken.
bool StoreLog::wait(Waiter& waiter) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, waiter.deadline,
                      [&] { return changes_ != waiter.changes || wakes_ != waiter.wakes; });
  const bool changed = changes_ != waiter.changes && wakes_ == waiter.wakes;
  waiter.changes = changes_;
  return changed && std::chrono::steady_clock::now() < waiter.deadline;
}

Result<std::optional<ReadBatch>> StoreLog::read(const std::function<bool(std::string_view)>& wants,
                                                const LogPosition& from, std::int64_t until_us) {
  Waiter waiter = arm(until_us);
  std::optional<ReadBatch> out;
  LogPosition at = from;
  leave_unwanted_cuts(at, wants);
  for (int skipped = 0; skipped < kMaxSkippedBatches;) {
    auto next = next_batch(at);
    if (!next) return std::move(next).error();
    if (!*next) {
      if (out || !wait(waiter)) return out;
      continue;
    }
    Next& found = **next;
    if (found.batch == nullptr) {
      auto loaded = load_batch(*found.stream, found.start.sequence);
      if (!loaded) return std::move(loaded).error();
      found.batch = std::move(*loaded);
    }
    const auto rows = static_cast<std::uint32_t>(found.batch->size());
    const std::uint32_t end_row = std::min(rows, found.visible_rows);
    ReadBatch& read = out.emplace();
    read.batch = found.batch;
    read.stream = found.start.stream;
    read.sequence = found.start.sequence;
    read.first_row = std::min(found.start.row, end_row);
    read.end_row = end_row;
    read.topic_selected = select_topics(*found.batch, wants);
    at.set(position_after(found.start, end_row, rows));
    read.after = at;
    if (any_selected(read)) return out;
    read.first_row = read.end_row;
    ++skipped;
    // Another source's stream need not be read batch by batch to find nothing in it.
    const std::lock_guard lock(mutex_);
    if (const auto end = end_if_unwanted(read.stream, wants)) at.set(*end);
    read.after = at;
  }
  return out;
}

Result<LogPosition> StoreLog::earliest() {
  const std::lock_guard lock(mutex_);
  LogPosition out;
  for (const auto& [id, stream] : streams_) out.set({id, stream->state.first.sequence, 0});
  return out;
}

Result<LogPosition> StoreLog::latest() {
  const std::lock_guard lock(mutex_);
  LogPosition out;
  for (const auto& [id, stream] : streams_) out.set(stream->state.visible_end());
  return out;
}

Result<StoreLog::Backlog> StoreLog::backlog(const LogPosition& from) {
  struct Part {
    Stream* stream;
    std::uint64_t begin, end;
  };
  std::vector<Part> parts;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, stream] : streams_) {
      const StreamState& state = stream->state;
      const StreamPosition start = state.skip_holes(from.at(id));
      if (start >= state.visible_end()) continue;
      const std::uint64_t end = state.head.visible_sequence + (state.head.visible_row > 0 ? 1 : 0);
      parts.push_back({stream.get(), std::max(start.sequence, state.first.sequence), end});
    }
  }
  Backlog out;
  for (const Part& part : parts) {
    const auto first = batch_record(*part.stream, part.begin);
    if (!first) return first.error();
    const auto last = batch_record(*part.stream, part.end - 1);
    if (!last) return last.error();
    out.bytes += last->bytes_before + last->image_bytes - first->bytes_before;
    out.batches += part.end - part.begin;
    if (out.oldest_us == 0 || first->received_us < out.oldest_us) out.oldest_us = first->received_us;
  }
  return out;
}

Result<std::vector<StreamInfo>> StoreLog::streams() {
  const std::lock_guard lock(mutex_);
  std::vector<StreamInfo> out;
  for (const auto& [id, stream] : streams_) {
    const StreamState& state = stream->state;
    out.push_back({id, state.connector, state.first.sequence, state.head.next_sequence,
                   state.head.next_bytes - state.first.bytes});
  }
  return out;
}

void StoreLog::wake() {
  {
    const std::lock_guard lock(mutex_);
    ++wakes_;
  }
  changed_.notify_all();
}

}  // namespace millrace
