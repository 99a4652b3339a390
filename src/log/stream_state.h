#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "event/batch.h"
#include "log/batch_cache.h"
#include "log/records.h"

namespace millrace {

/// A table's rows of one stream, numbered densely. Lives as long as the log.
struct TopicState {
  TopicId id = 0;
  std::string name;
  StreamId stream = 0;
  bool stored = false;  ///< its record is on disk
  TopicHead head;
  TopicFirst first;
};

/// What the log knows about a stream without reading. Values only; whoever holds it keeps the lock.
struct StreamState {
  StreamState(StreamId stream, std::string owner, std::size_t tail_bytes, std::size_t history_bytes)
      : id(stream), connector(std::move(owner)), tail(tail_bytes), history(history_bytes) {}

  StreamId id;
  std::string connector;
  StreamHead head;
  StreamFirst first;
  std::map<std::uint32_t, TableSchemaPtr> schemas;
  std::vector<Hole> holes;          ///< by sequence; rare
  std::vector<TopicState*> hidden;  ///< topics with rows that are not visible yet
  BatchCache tail;     ///< as appended, so that who reads along neither reads the disk nor decodes
  BatchCache history;  ///< read ahead from the disk

  /// Rows of batch `sequence`, which has `rows`, that readers see: [0, answer).
  [[nodiscard]] std::uint32_t visible_rows(std::uint64_t sequence, std::uint32_t rows) const;
  /// `position`, moved over rows given up and from behind a batch to the next one.
  [[nodiscard]] StreamPosition skip_holes(StreamPosition position) const;
  [[nodiscard]] StreamPosition visible_end() const { return {id, head.visible_sequence, head.visible_row}; }
};

/// A topic's share in one append.
struct TopicChange {
  TopicState* topic = nullptr;
  TopicHead head;                  ///< after it
  TopicEntry entry;                ///< rows == 0: the batch has none of it, only older rows become visible
  std::uint64_t first_offset = 0;  ///< of the entry
};

/// Everything one append changes, decided before anything is written.
struct AppendPlan {
  std::uint64_t sequence = 0;  ///< of the batch, when there is one
  StreamHead head;
  std::vector<TopicChange> topics;
  std::vector<TableSchemaPtr> new_schemas;
  std::vector<TopicState*> hidden;
  std::vector<Hole> new_holes;          ///< one or none
  std::vector<TopicState*> cut_topics;  ///< their entries from head.visible_offset on are to be removed
};

/// Decides what `batch` (may be null) and `after` mean for `stream`: which rows become visible, where topics
/// stand. `topics` are the states of batch->topics(), in that order. Pure.
///
/// Rows of a transaction that is not over stay hidden until a later append ends it: its batch says so
/// (complete_rows), or the position has moved on to another commit. When the epoch rises instead, or the
/// source was forgotten, it will never be ended: the hidden rows become a hole, and their topic offsets are
/// given to the next rows. Rows of another transaction in the same epoch are a fault of the source: a stop
/// error, nothing is to be written. (A snapshot, transaction number 0, that is begun anew just shows what it
/// had.)
[[nodiscard]] Result<AppendPlan> plan_append(const StreamState& stream,
                                             const std::vector<TopicState*>& topics, const Batch* batch,
                                             std::size_t stored_bytes, const SourcePosition& after);

/// The plan is on disk: the state follows.
void apply_append(StreamState& stream, const AppendPlan& plan, const BatchPtr& batch);

}  // namespace millrace
