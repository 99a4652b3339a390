#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/log_position.h"
#include "connect/sink.h"
#include "event/batch.h"
#include "event/position.h"
#include "log/dead_letter.h"
#include "log/log_info.h"

namespace millrace {

/// A small piece of state that is written with the rows it belongs to: snapshot ledger, connector state. Keys
/// are the owner's; they live in a space of their own per connector.
struct StateWrite {
  std::string key;
  std::optional<std::string> value;  ///< none: remove
};

struct RetentionPolicy {
  std::int64_t retention_ms = 604'800'000;  ///< -1: for ever
  std::int64_t retention_bytes =
      -1;  ///< per stream; -1: no bound. Forces out what a sink has not read, loudly
  std::int64_t dead_letter_ms = 2'592'000'000;  ///< of those dealt with; open ones stay. -1: for ever
  std::int64_t dead_letters = 100'000;          ///< of those dealt with, a sink; -1: no bound
};

/// The seam between capture and delivery. Thread-safe: each source appends from one thread to its own stream,
/// any number of readers read. What `append` or `settle` has answered is on disk.
class Log {
 public:
  Log() = default;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  virtual ~Log() = default;

  /// Identity made with the log; a position in a target counts only for this log.
  [[nodiscard]] virtual std::string id() const = 0;

  /// The stream of a source connector, made when new.
  [[nodiscard]] virtual Result<StreamId> open_stream(std::string_view connector) = 0;
  [[nodiscard]] virtual Result<std::optional<SourcePosition>> source_position(StreamId stream) = 0;
  /// The source begins anew with its next append: its position and its state are removed. Its rows, topics
  /// and schemas stay; rows of a transaction that has not ended are given up then. Not while it appends.
  [[nodiscard]] virtual Status forget_source(std::string_view connector) = 0;
  /// Every schema of the stream, by id.
  [[nodiscard]] virtual Result<std::vector<TableSchemaPtr>> schemas(StreamId stream) = 0;

  /// Rows, the position they stand for, schemas not seen before and state: one atomic, synced write. `batch`
  /// may be null when only the position or state moves. A full disk is kRetry; nothing of the write is then
  /// there.
  ///
  /// Rows of a transaction that has not ended are hidden from readers until a later append ends it
  /// (complete_rows, or a position with another commit). With a position of another epoch they are given up:
  /// hidden for good, their offsets used again. Rows of another transaction of the same epoch behind them are
  /// a stop error: a fault of the source.
  [[nodiscard]] virtual Status append(StreamId stream, const BatchPtr& batch, const SourcePosition& after,
                                      std::span<const StateWrite> state) = 0;
  [[nodiscard]] virtual Result<std::map<std::string, std::string>> state(std::string_view owner) = 0;
  [[nodiscard]] virtual Status put_state(std::string_view owner, std::span<const StateWrite> state) = 0;

  /// The next complete rows at or after `from` in any stream, of topics that `wants`; waits until `until_us`.
  /// Nothing: no such rows yet. Skipped rows move `after` on just so; when only skipped rows were found, an
  /// empty range comes back (first_row == end_row) with `after` moved. A batch that retention has cut away is
  /// a stop error with hint.
  [[nodiscard]] virtual Result<std::optional<ReadBatch>> read(
      const std::function<bool(std::string_view)>& wants, const LogPosition& from, std::int64_t until_us) = 0;
  /// Where the oldest rows still there begin, over all streams.
  [[nodiscard]] virtual Result<LogPosition> earliest() = 0;
  [[nodiscard]] virtual Result<LogPosition> latest() = 0;
  /// Bytes on disk of the batches between `from` and the visible end, and receive time of the oldest (0:
  /// none).
  struct Backlog {
    std::uint64_t bytes = 0;
    std::uint64_t batches = 0;
    std::int64_t oldest_us = 0;
  };
  [[nodiscard]] virtual Result<Backlog> backlog(const LogPosition& from) = 0;

  [[nodiscard]] virtual Result<std::optional<LogPosition>> settled(std::string_view sink) = 0;
  /// The sink's position and its rejects, synced: each reject is on disk, with a copy of its row, before or
  /// with the position. One with the same stream, sequence, row and output as a letter of this sink is that
  /// one, parked once more: sent again, it is still one. From its first settle on a sink is known, and
  /// retention keeps what it has not read. Let a new one settle `earliest()` before it reads; it starts
  /// incomplete when a stream's first_sequence is not 0.
  [[nodiscard]] virtual Status settle(std::string_view sink, const LogPosition& durable,
                                      std::span<const Rejected> rejected) = 0;
  /// By id from `from_id` on, whatever their state.
  [[nodiscard]] virtual Result<std::vector<DeadLetter>> dead_letters(std::string_view sink,
                                                                     std::uint64_t from_id,
                                                                     std::size_t limit) = 0;
  /// The letter of a row of the log, if that row was ever rejected by that output (see Rejected).
  [[nodiscard]] virtual Result<std::optional<DeadLetter>> dead_letter_of(std::string_view sink,
                                                                         const StreamPosition& row,
                                                                         std::string_view output) = 0;
  /// The row of a letter: its copy, else the log's, if that has it still.
  [[nodiscard]] virtual Result<LetterImage> dead_letter_row(std::string_view sink,
                                                            const DeadLetter& letter) = 0;
  /// Writes letters with what has become of them: one atomic, synced write. Those that are gone stay gone.
  [[nodiscard]] virtual Status update_dead_letters(std::string_view sink,
                                                   std::span<const DeadLetter> letters) = 0;
  [[nodiscard]] virtual LetterCounts dead_letter_counts(std::string_view sink) = 0;
  [[nodiscard]] virtual Result<std::vector<SinkInfo>> sinks() = 0;
  /// A sink that is gone holds nothing back any more; its dead letters go with it.
  [[nodiscard]] virtual Status forget_sink(std::string_view sink) = 0;

  [[nodiscard]] virtual Result<std::vector<TopicInfo>> topics() = 0;
  [[nodiscard]] virtual Result<std::vector<StreamInfo>> streams() = 0;
  /// Up to `limit` rows of a topic from `offset` on (the first still there when that is gone).
  [[nodiscard]] virtual Result<std::vector<TopicRow>> read_topic(std::string_view topic, std::uint64_t offset,
                                                                 std::size_t limit,
                                                                 std::int64_t until_us) = 0;
  /// Offset of the first row received at or after `wall_us`; next_offset when there is none.
  [[nodiscard]] virtual Result<std::uint64_t> offset_at(std::string_view topic, std::int64_t wall_us) = 0;
  [[nodiscard]] virtual Result<BatchPtr> batch_at(StreamId stream, std::uint64_t sequence) = 0;

  /// Drops what the policy no longer keeps; answers the bytes freed. Called now and then by the runtime.
  [[nodiscard]] virtual Result<std::uint64_t> retain(const RetentionPolicy& policy, std::int64_t wall_us) = 0;

  /// Ends the wait of every reader that waits now, for a quick stop; one that comes just after waits its
  /// time.
  virtual void wake() = 0;
};

}  // namespace millrace
