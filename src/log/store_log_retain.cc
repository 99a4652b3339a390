#include <algorithm>
#include <utility>

#include "log/store_log_impl.h"

namespace millrace {

/// The first batch in [first, end) whose record `keeps` holds, which must hold for all after it; `end` when
/// none does.
Result<std::uint64_t> StoreLog::first_batch(const Stream& stream, std::uint64_t first, std::uint64_t end,
                                            const std::function<bool(const BatchRecord&)>& keeps) {
  while (first < end) {
    const std::uint64_t middle = first + (end - first) / 2;
    const auto record = batch_record(stream, middle);
    if (!record) return record.error();
    if (keeps(*record)) {
      end = middle;
    } else {
      first = middle + 1;
    }
  }
  return first;
}

Result<StoreLog::Cut> StoreLog::find_cut(const Stream& stream, const RetentionPolicy& policy,
                                         std::int64_t wall_us) {
  std::uint64_t first = 0;
  std::uint64_t end = 0;  // what readers do not see yet stays
  std::uint64_t end_bytes = 0;
  std::uint64_t held = UINT64_MAX;
  {
    const std::lock_guard lock(mutex_);
    first = stream.state.first.sequence;
    end = stream.state.head.visible_sequence;
    end_bytes = stream.state.head.next_bytes;
    for (const auto& [name, sink] : sinks_) {
      if (sink->position) held = std::min(held, sink->position->at(stream.state.id).sequence);
    }
  }
  std::uint64_t by_time = first;
  if (policy.retention_ms >= 0) {
    const std::int64_t oldest_us = wall_us - policy.retention_ms * 1000;
    const auto found = first_batch(stream, first, end, [oldest_us](const BatchRecord& record) {
      return record.received_us >= oldest_us;
    });
    if (!found) return found.error();
    by_time = *found;
  }
  std::uint64_t by_bytes = first;
  if (policy.retention_bytes >= 0) {
    const auto limit = static_cast<std::uint64_t>(policy.retention_bytes);
    const auto found = first_batch(stream, first, end, [end_bytes, limit](const BatchRecord& record) {
      return end_bytes - record.bytes_before <= limit;
    });
    if (!found) return found.error();
    by_bytes = *found;
  }
  Cut cut{std::max({first, by_bytes, std::min(by_time, held)}), 0, held};
  if (cut.sequence == first) return cut;
  const auto last = batch_record(stream, cut.sequence - 1);
  if (!last) return last.error();
  cut.bytes = last->bytes_before + last->image_bytes;
  return cut;
}

void StoreLog::warn_unread(const Stream& stream, const Cut& cut) {
  if (cut.held >= cut.sequence) return;
  struct Unread {
    std::string sink;
    std::uint64_t sequence;
  };
  std::vector<Unread> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, sink] : sinks_) {
      if (!sink->position) continue;
      const std::uint64_t at =
          std::max(sink->position->at(stream.state.id).sequence, stream.state.first.sequence);
      if (at < cut.sequence) all.push_back({name, at});
    }
  }
  for (const Unread& unread : all) {
    const auto record = batch_record(stream, unread.sequence);
    const std::uint64_t bytes = record ? cut.bytes - record->bytes_before : 0;
    environment_.logger.warn(
        "log.retention.bytes forces out what a sink has not read: its target will miss changes",
        {{"sink", std::string_view(unread.sink)},
         {"source", std::string_view(stream.state.connector)},
         {"batches", static_cast<std::int64_t>(cut.sequence - unread.sequence)},
         {"bytes", static_cast<std::int64_t>(bytes)}});
  }
}

Result<std::uint64_t> StoreLog::cut_stream(Stream& stream, const Cut& cut) {
  const StreamState& state = stream.state;
  struct TopicCut {
    TopicState* topic;
    TopicFirst first;
    TopicHead head;
  };
  std::vector<TopicCut> topics;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, topic] : topics_) {
      if (topic->stream == state.id && topic->stored)
        topics.push_back({topic.get(), topic->first, topic->head});
    }
  }
  StoreWrite write;
  write.put(kMetaSpace, keys::stream_first(state.id), encode(StreamFirst{cut.sequence, cut.bytes}));
  write.remove_range(kIndexSpace, keys::batch(state.id, state.first.sequence),
                     keys::batch(state.id, cut.sequence));
  for (TopicCut& topic : topics) {
    const TopicId id = topic.topic->id;
    const auto entry = find_entry(id, topic.first.offset, topic.head.next_offset,
                                  [&cut](const TopicEntry& found) { return found.sequence >= cut.sequence; });
    if (!entry) return entry.error();
    const TopicFirst first = *entry ? TopicFirst{(*entry)->offset, (*entry)->entry.bytes_before}
                                    : TopicFirst{topic.head.next_offset, topic.head.bytes};
    if (first.offset == topic.first.offset) continue;
    write.remove_range(kIndexSpace, keys::topic_entry(id, topic.first.offset),
                       keys::topic_entry(id, first.offset));
    write.put(kMetaSpace, keys::topic_first(id), encode(first));
    topic.first = first;
  }
  warn_unread(stream, cut);
  MILLRACE_TRY(store_->write(write));
  std::uint64_t freed = 0;
  {
    const std::lock_guard lock(mutex_);
    freed = cut.bytes - state.first.bytes;
    stream.state.first = {cut.sequence, cut.bytes};
    for (const TopicCut& topic : topics) topic.topic->first = topic.first;
  }
  MILLRACE_TRY(store_->release(keys::image_space(state.id), keys::image(cut.sequence)));
  return freed;
}

Result<std::uint64_t> StoreLog::retain(const RetentionPolicy& policy, std::int64_t wall_us) {
  const std::lock_guard structure(structure_);
  std::vector<Stream*> streams;
  std::vector<std::string> sinks;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, stream] : streams_) streams.push_back(stream.get());
    for (const auto& [name, sink] : sinks_) sinks.push_back(name);
  }
  for (const std::string& sink : sinks) MILLRACE_TRY(purge_letters(sink, policy, wall_us));
  std::uint64_t freed = 0;
  for (Stream* stream : streams) {
    const auto cut = find_cut(*stream, policy, wall_us);
    if (!cut) return cut.error();
    if (cut->sequence <= stream->state.first.sequence) continue;
    const auto bytes = cut_stream(*stream, *cut);
    if (!bytes) return bytes.error();
    freed += *bytes;
  }
  room_checked_us_ = environment_.clock.now_us() - 3'600'000'000;  // look again before the next rows
  return freed;
}

}  // namespace millrace
