#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "log/image_codec.h"
#include "log/store_log_impl.h"

namespace millrace {
namespace {

constexpr std::int64_t kRoomCheckEveryUs = 1'000'000;
constexpr std::uint64_t kMinFreeBytes = 256U << 20U;
constexpr std::uint64_t kMinFreeShare = 50;  // of the disk: 2 %
/// A stream keeps its buffer for packed images from one append to the next, unless a huge row made it larger.
constexpr std::size_t kKeptBufferBytes = 8U << 20U;

void add_state(StoreWrite& write, std::string_view owner, std::span<const StateWrite> state) {
  for (const StateWrite& change : state) {
    if (change.value) {
      write.put(kMetaSpace, keys::state(owner, change.key), *change.value);
    } else {
      write.remove(kMetaSpace, keys::state(owner, change.key));
    }
  }
}

/// One row can be that large: an array takes 16 bytes an element, however short its text was.
Status check_size(const std::string& stream, const Batch& batch, const SourcePosition& after) {
  const std::size_t bytes = image_bytes(batch.image_parts());
  if (bytes <= kMaxImageBytes) return {};
  return stop_error(
      fmt::format("{}: a batch of {} rows up to {}, of topics {}, has {}; the log takes {} at once", stream,
                  batch.size(), after.commit, fmt::join(batch.topics(), ", "), human_bytes(bytes),
                  human_bytes(kMaxImageBytes)),
      "a single row is too large to be captured: leave its table out (table.exclude.list), or make the value "
      "smaller at the source and take a new snapshot");
}

}  // namespace

Result<StreamId> StoreLog::open_stream(std::string_view connector) {
  const std::lock_guard structure(structure_);
  StreamId id = 1;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [known, stream] : streams_) {
      if (stream->state.connector == connector) return known;
      id = known + 1;
    }
  }
  // The space first: without its record it is found empty and used by the next attempt.
  MILLRACE_TRY(store_->open_space(keys::image_space(id)));
  StoreWrite write;
  write.put(kMetaSpace, keys::stream(id), std::string(connector));
  MILLRACE_TRY(store_->write(write));
  const std::lock_guard lock(mutex_);
  add_stream(id, std::string(connector));
  return id;
}

Result<std::optional<SourcePosition>> StoreLog::source_position(StreamId stream) {
  auto found = find_stream(stream);
  if (!found) return std::move(found).error();
  const std::lock_guard lock(mutex_);
  return (*found)->state.head.position;
}

Status StoreLog::forget_source(std::string_view connector) {
  StoreWrite write;
  const std::string states = keys::states(connector);
  write.remove_range(kMetaSpace, states, keys::prefix_end(states));
  Stream* stream = nullptr;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, known] : streams_) {
      if (known->state.connector == connector) stream = known.get();
    }
  }
  if (stream == nullptr) return store_->write(write);
  const std::lock_guard writing(stream->writing);
  StreamHead head = stream->state.head;
  head.position.reset();
  write.put(kMetaSpace, keys::stream_head(stream->state.id), encode(head));
  MILLRACE_TRY(store_->write(write));
  const std::lock_guard lock(mutex_);
  stream->state.head.position.reset();
  return {};
}

Result<std::vector<TableSchemaPtr>> StoreLog::schemas(StreamId stream) {
  auto found = find_stream(stream);
  if (!found) return std::move(found).error();
  const std::lock_guard lock(mutex_);
  std::vector<TableSchemaPtr> out;
  for (const auto& [id, schema] : (*found)->state.schemas) out.push_back(schema);
  return out;
}

Status StoreLog::check_room() {
  const std::int64_t now_us = environment_.clock.now_us();
  std::int64_t checked_us = room_checked_us_.load(std::memory_order_relaxed);
  if (now_us - checked_us >= kRoomCheckEveryUs &&
      room_checked_us_.compare_exchange_strong(checked_us, now_us)) {
    const auto room = store_->room();
    if (!room) return room.error();
    const std::uint64_t wanted =
        options_.min_free_bytes.value_or(std::max(kMinFreeBytes, room->total_bytes / kMinFreeShare));
    free_bytes_.set(static_cast<std::int64_t>(room->free_bytes));
    room_missing_ = room->free_bytes < wanted ? wanted - room->free_bytes : 0;
  }
  const std::uint64_t missing = room_missing_.load(std::memory_order_relaxed);
  if (missing == 0) return {};
  return retry_error(
      fmt::format("the log's disk is nearly full: {} more must be free before rows are taken",
                  human_bytes(missing)),
      "free room on the disk of log.dir, or lower log.retention.ms or log.retention.bytes; nothing is "
      "lost, the database keeps what is not in the log yet");
}

Result<std::vector<TopicState*>> StoreLog::resolve_topics(StreamId stream, const Batch& batch) {
  std::vector<TopicState*> out;
  out.reserve(batch.topics().size());
  const std::lock_guard lock(mutex_);
  for (const std::string_view name : batch.topics()) {
    auto it = topics_.find(name);
    if (it == topics_.end()) {
      auto topic = std::make_unique<TopicState>();
      topic->id = next_topic_++;
      topic->name = std::string(name);
      topic->stream = stream;
      it = topics_.emplace(topic->name, std::move(topic)).first;
    }
    if (it->second->stream != stream) {
      return stop_error(
          fmt::format("topic {} belongs to {} already", name, streams_.at(it->second->stream)->label()),
          "give the connectors different values of topic.prefix");
    }
    out.push_back(it->second.get());
  }
  return out;
}

StoreWrite StoreLog::render(const Stream& stream, const AppendPlan& plan, const BatchPtr& batch,
                            std::span<const StateWrite> state) const {
  const StreamId id = stream.state.id;
  StoreWrite write;
  for (const TopicState* topic : plan.cut_topics) {
    write.remove_range(kIndexSpace, keys::topic_entry(topic->id, topic->head.visible_offset),
                       keys::topic_entry(topic->id + 1, 0));
  }
  for (const Hole& hole : plan.new_holes) write.put(kMetaSpace, keys::hole(id, hole.sequence), encode(hole));
  for (const TableSchemaPtr& schema : plan.new_schemas) {
    write.put(kMetaSpace, keys::schema(id, schema->id), encode_schema(*schema));
  }
  for (const TopicChange& change : plan.topics) {
    const TopicState& topic = *change.topic;
    if (!topic.stored)
      write.put(kMetaSpace, keys::topic(topic.id), encode(TopicRecord{topic.name, topic.stream}));
    write.put(kMetaSpace, keys::topic_head(topic.id), encode(change.head));
    if (change.entry.rows > 0) {
      write.put(kIndexSpace, keys::topic_entry(topic.id, change.first_offset), encode(change.entry));
    }
  }
  if (batch != nullptr) {
    const BatchRecord record{stream.received_us, static_cast<std::uint32_t>(batch->size()),
                             stream.packed.size(), stream.state.head.next_bytes};
    write.put(kIndexSpace, keys::batch(id, plan.sequence), encode(record));
    write.put_view(keys::image_space(id), keys::image(plan.sequence), stream.packed);
  }
  write.put(kMetaSpace, keys::stream_head(id), encode(plan.head));
  add_state(write, stream.state.connector, state);
  return write;
}

Status StoreLog::append(StreamId stream_id, const BatchPtr& batch, const SourcePosition& after,
                        std::span<const StateWrite> state) {
  const std::int64_t began_us = environment_.clock.now_us();
  auto found = find_stream(stream_id);
  if (!found) return std::move(found).error();
  Stream& stream = **found;
  const std::lock_guard writing(stream.writing);
  MILLRACE_TRY(environment_.failpoints.pass("log.before_append"));
  std::vector<TopicState*> topics;
  if (batch != nullptr) {
    MILLRACE_TRY(check_room());
    auto resolved = resolve_topics(stream_id, *batch);
    if (!resolved) return std::move(resolved).error();
    topics = std::move(*resolved);
    MILLRACE_TRY(check_size(stream.label(), *batch, after));
    pack_image(batch->image_parts(), stream.packed);
  }
  // Only this writer changes what the plan depends on, so it holds until it is applied.
  auto plan = plan_append(stream.state, topics, batch.get(), stream.packed.size(), after);
  if (!plan) return std::move(plan).error();
  if (batch != nullptr) {
    // Never back, whatever the wall clock does: retention and reading by time search in it.
    const std::int64_t now_us =
        batch->received_us() != 0 ? batch->received_us() : environment_.clock.wall_us();
    stream.received_us = std::max(stream.received_us, now_us);
    for (TopicChange& change : plan->topics) change.entry.received_us = stream.received_us;
  }
  MILLRACE_TRY(store_->write(render(stream, *plan, batch, state)));
  {
    const std::lock_guard lock(mutex_);
    apply_append(stream.state, *plan, batch);
    ++changes_;
  }
  changed_.notify_all();
  if (!plan->new_holes.empty()) {
    environment_.logger.warn("rows of a transaction that the source gave up stay hidden",
                             {{"connector", std::string_view(stream.state.connector)},
                              {"sequence", static_cast<std::int64_t>(plan->new_holes.front().sequence)}});
  }
  if (batch != nullptr) {
    stream.rows_total.add(batch->size());
    stream.bytes_total.add(stream.packed.size());
    const std::int64_t now_us = environment_.clock.now_us();
    append_time_.record(now_us - began_us, now_us);
    if (stream.packed.capacity() > kKeptBufferBytes) stream.packed = std::string();
  }
  return environment_.failpoints.pass("log.after_append");
}

Result<std::map<std::string, std::string>> StoreLog::state(std::string_view owner) {
  const std::string prefix = keys::states(owner);
  auto entries = store_->scan(kMetaSpace, prefix, keys::prefix_end(prefix), {});
  if (!entries) return std::move(entries).error();
  std::map<std::string, std::string> out;
  for (StoreEntry& entry : *entries) out.emplace(entry.key.substr(prefix.size()), std::move(entry.value));
  return out;
}

Status StoreLog::put_state(std::string_view owner, std::span<const StateWrite> state) {
  StoreWrite write;
  add_state(write, owner, state);
  if (write.empty()) return {};
  return store_->write(write);
}

}  // namespace millrace
