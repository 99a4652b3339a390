#pragma once

#include <optional>
#include <string>

#include "connect/log_position.h"
#include "event/position.h"
#include "log/log.h"
#include "log/store.h"

namespace millrace {

/// Of the records below; docs/log-format.md describes them. A log of a higher number is refused.
inline constexpr std::uint32_t kLogFormat = 2;

using TopicId = std::uint32_t;

/// Where a stream ends. Written with every batch.
struct StreamHead {
  std::uint64_t next_sequence = 0;
  std::uint64_t next_bytes = 0;        ///< of all images ever logged
  std::uint64_t visible_sequence = 0;  ///< readers see what lies before row `visible_row` of this batch
  std::uint32_t visible_row = 0;
  std::optional<SourcePosition> position;
  std::uint64_t open_id = 0;  ///< transaction of the rows that are not visible yet: its number
  std::string open_commit;    ///< and its commit, as in SourcePosition
  [[nodiscard]] bool all_visible() const { return visible_sequence == next_sequence; }
};

/// Where a stream begins since retention cut it.
struct StreamFirst {
  std::uint64_t sequence = 0;
  std::uint64_t bytes = 0;  ///< of the images before it
};

/// One logged batch.
struct BatchRecord {
  std::int64_t received_us = 0;
  std::uint32_t rows = 0;
  std::uint64_t image_bytes = 0;
  std::uint64_t bytes_before = 0;  ///< of all images of the stream before it
};

/// Rows that will never be visible: their transaction was given up. To the end of batch `end_sequence` - 1.
struct Hole {
  std::uint64_t sequence = 0;
  std::uint32_t row = 0;
  std::uint64_t end_sequence = 0;
};

struct TopicRecord {
  std::string name;
  StreamId stream = 0;
};

struct TopicHead {
  std::uint64_t next_offset = 0;     ///< of the next row to be logged
  std::uint64_t visible_offset = 0;  ///< of the next row to become visible
  std::uint64_t bytes = 0;           ///< ever logged
};

struct TopicFirst {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  ///< of what was before it
};

/// The rows of one topic in one batch; the key holds topic and offset of the first of them.
struct TopicEntry {
  std::uint64_t sequence = 0;
  std::uint32_t rows = 0;
  std::int64_t received_us = 0;
  std::uint64_t bytes_before = 0;  ///< of the topic
};

/// Keys. `kMetaSpace` unless said otherwise. A prefix names a range; its end is `prefix_end`.
namespace keys {
[[nodiscard]] std::string format();
[[nodiscard]] std::string log_id();
[[nodiscard]] std::string streams();
[[nodiscard]] std::string stream(StreamId stream);
[[nodiscard]] std::string stream_head(StreamId stream);
[[nodiscard]] std::string stream_first(StreamId stream);
[[nodiscard]] std::string schemas(StreamId stream);
[[nodiscard]] std::string schema(StreamId stream, std::uint32_t id);
[[nodiscard]] std::string holes(StreamId stream);
[[nodiscard]] std::string hole(StreamId stream, std::uint64_t sequence);
[[nodiscard]] std::string topics();
[[nodiscard]] std::string topic(TopicId topic);
[[nodiscard]] std::string topic_head(TopicId topic);
[[nodiscard]] std::string topic_first(TopicId topic);
[[nodiscard]] std::string sinks();
[[nodiscard]] std::string sink(std::string_view sink);
[[nodiscard]] std::string dead_letters(std::string_view sink);
[[nodiscard]] std::string dead_letter(std::string_view sink, std::uint64_t id);
[[nodiscard]] std::string letter_rows(std::string_view sink);
[[nodiscard]] std::string letter_row(std::string_view sink, std::uint64_t id);
[[nodiscard]] std::string next_letter(std::string_view sink);
[[nodiscard]] std::string rejects(std::string_view sink);
[[nodiscard]] std::string reject(std::string_view sink, const StreamPosition& row, std::string_view output);
[[nodiscard]] std::string states(std::string_view owner);
[[nodiscard]] std::string state(std::string_view owner, std::string_view key);
/// kIndexSpace.
[[nodiscard]] std::string batch(StreamId stream, std::uint64_t sequence);
[[nodiscard]] std::string topic_entry(TopicId topic, std::uint64_t offset);
/// The image space of a stream.
[[nodiscard]] StoreSpace image_space(StreamId stream);
[[nodiscard]] std::string image(std::uint64_t sequence);
/// The first key behind all that start with `prefix`.
[[nodiscard]] std::string prefix_end(std::string prefix);
/// The big-endian number at the end of a key.
[[nodiscard]] std::uint32_t tail_u32(std::string_view key);
[[nodiscard]] std::uint64_t tail_u64(std::string_view key);
}  // namespace keys

[[nodiscard]] std::string encode(const StreamHead& record);
[[nodiscard]] std::string encode(const StreamFirst& record);
[[nodiscard]] std::string encode(const BatchRecord& record);
[[nodiscard]] std::string encode(const Hole& record);
[[nodiscard]] std::string encode(const TopicRecord& record);
[[nodiscard]] std::string encode(const TopicHead& record);
[[nodiscard]] std::string encode(const TopicFirst& record);
[[nodiscard]] std::string encode(const TopicEntry& record);
[[nodiscard]] std::string encode(const DeadLetter& record);
[[nodiscard]] std::string encode_number(std::uint64_t number);

/// A stop error when the bytes are not such a record.
template <typename Record>
[[nodiscard]] Result<Record> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<StreamHead> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<StreamFirst> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<BatchRecord> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<Hole> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<TopicRecord> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<TopicHead> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<TopicFirst> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<TopicEntry> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<DeadLetter> decode(std::string_view bytes);
template <>
[[nodiscard]] Result<std::uint64_t> decode(std::string_view bytes);

}  // namespace millrace
