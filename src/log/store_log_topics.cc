#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "log/store_log_impl.h"

namespace millrace {
namespace {

// Rows of a rare topic lie in many batches: no more than this is held for one answer.
constexpr std::size_t kMaxAnswerBytes = 16U << 20U;

}  // namespace

Result<TopicState*> StoreLog::find_topic(std::string_view topic) {
  const std::lock_guard lock(mutex_);
  const auto it = topics_.find(topic);
  if (it == topics_.end()) {
    return stop_error(fmt::format("the log has no topic {}", topic), "`millrace topics` lists those it has");
  }
  return it->second.get();
}

Result<std::vector<TopicInfo>> StoreLog::topics() {
  const std::lock_guard lock(mutex_);
  std::vector<TopicInfo> out;
  for (const auto& [name, topic] : topics_) {
    if (!topic->stored) continue;
    out.push_back({name, topic->stream, topic->first.offset, topic->head.visible_offset,
                   topic->head.bytes - topic->first.bytes});
  }
  return out;
}

Result<BatchRecord> StoreLog::batch_record(const Stream& stream, std::uint64_t sequence) {
  auto bytes = store_->get(kIndexSpace, keys::batch(stream.state.id, sequence));
  if (!bytes) return std::move(bytes).error();
  if (*bytes) return decode<BatchRecord>(**bytes);
  return stop_error(
      fmt::format("{}: the index has no batch {}", stream.label(), sequence),
      "it was cut away a moment ago; if it stays so, the log is damaged: restore log.dir from a copy");
}

/// The first entry of `topic` within offsets [first, end) that `matches`, which must hold for all after it.
Result<std::optional<StoreLog::Indexed>> StoreLog::find_entry(
    TopicId topic, std::uint64_t first, std::uint64_t end,
    const std::function<bool(const TopicEntry&)>& matches) {
  std::optional<Indexed> best;
  const std::string begin = keys::topic_entry(topic, first);
  for (std::uint64_t low = first, high = end; low < high;) {
    const std::uint64_t middle = low + (high - low) / 2;
    auto found = store_->last(kIndexSpace, begin, keys::topic_entry(topic, middle + 1));
    if (!found) return std::move(found).error();
    if (!*found) {
      low = middle + 1;
      continue;
    }
    const auto entry = decode<TopicEntry>((*found)->value);
    if (!entry) return entry.error();
    if (matches(*entry)) {
      best = Indexed{keys::tail_u64((*found)->key), *entry};
      high = best->offset;
    } else {
      low = middle + 1;
    }
  }
  return best;
}

Status StoreLog::collect_rows(const TopicState& topic, std::uint64_t offset, std::size_t limit,
                              std::vector<TopicRow>& out) {
  auto found = find_stream(topic.stream);
  if (!found) return std::move(found).error();
  Stream& stream = **found;
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  {
    const std::lock_guard lock(mutex_);
    first = topic.first.offset;
    end = topic.head.visible_offset;
  }
  offset = std::max(offset, first);
  for (std::size_t held = 0; offset < end && out.size() < limit && held < kMaxAnswerBytes;) {
    auto last = store_->last(kIndexSpace, keys::topic_entry(topic.id, first),
                             keys::topic_entry(topic.id, offset + 1));
    if (!last) return std::move(last).error();
    if (!*last) {
      return stop_error(fmt::format("topic {}: the index does not reach offset {}", topic.name, offset),
                        "retention cut it away a moment ago; if it stays so, the log is damaged");
    }
    const auto entry = decode<TopicEntry>((*last)->value);
    if (!entry) return entry.error();
    auto batch = load_batch(stream, entry->sequence);
    if (!batch) return std::move(batch).error();
    held += (*batch)->image_bytes();
    const auto records = (*batch)->records();
    const auto names = (*batch)->topics();
    const auto index = std::find(names.begin(), names.end(), topic.name) - names.begin();
    const std::uint32_t visible = [&] {
      const std::lock_guard lock(mutex_);
      return stream.state.visible_rows(entry->sequence, static_cast<std::uint32_t>(records.size()));
    }();
    std::uint64_t at = keys::tail_u64((*last)->key);
    const std::uint64_t before = offset;
    for (std::uint32_t i = 0; i < visible && offset < end && out.size() < limit; ++i) {
      if (records[i].topic != index) continue;
      if (at++ < offset) continue;
      out.push_back({offset++, i, entry->sequence, *batch});
    }
    if (offset == before) {
      return stop_error(fmt::format("topic {}: the index is wrong at offset {}", topic.name, offset),
                        "the log is damaged: restore log.dir from a copy");
    }
  }
  return {};
}

Result<std::vector<TopicRow>> StoreLog::read_topic(std::string_view topic, std::uint64_t offset,
                                                   std::size_t limit, std::int64_t until_us) {
  auto found = find_topic(topic);
  if (!found) return std::move(found).error();
  std::vector<TopicRow> out;
  for (Waiter waiter = arm(until_us); limit > 0;) {
    MILLRACE_TRY(collect_rows(**found, offset, limit, out));
    if (!out.empty() || !wait(waiter)) break;
  }
  return out;
}

Result<std::uint64_t> StoreLog::offset_at(std::string_view topic, std::int64_t wall_us) {
  auto found = find_topic(topic);
  if (!found) return std::move(found).error();
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  {
    const std::lock_guard lock(mutex_);
    first = (*found)->first.offset;
    end = (*found)->head.visible_offset;
  }
  const auto entry = find_entry((*found)->id, first, end, [wall_us](const TopicEntry& candidate) {
    return candidate.received_us >= wall_us;
  });
  if (!entry) return entry.error();
  return *entry ? (*entry)->offset : end;
}

}  // namespace millrace
