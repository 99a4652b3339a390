#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "connect/task_context.h"
#include "event/batch_builder.h"
#include "event/position.h"
#include "event/schema.h"

namespace millrace {

/// A part of a snapshot that is read in one go and noted as done in the log's ledger.
struct Chunk {
  std::string id;     ///< stable from one start to the next: the ledger's key, e.g. `public.flights`
  std::string table;  ///< for progress
  std::int64_t estimated_rows = -1;
};

/// Reads what was there before the stream. Used by the source's thread, between `open` and the first `fill`.
class Snapshotter {
 public:
  Snapshotter() = default;
  Snapshotter(const Snapshotter&) = delete;
  Snapshotter& operator=(const Snapshotter&) = delete;
  virtual ~Snapshotter() = default;

  /// The chunks in the order they are to be read.
  [[nodiscard]] virtual Result<std::vector<Chunk>> plan() = 0;
  /// Adds rows (Op::kRead) of `chunk` to `out` until it is full, `until_us` has come or the chunk is at its
  /// end, which is when it answers true. Called again for the same chunk until then. Every call leaves whole
  /// rows.
  [[nodiscard]] virtual Result<bool> read(const Chunk& chunk, BatchBuilder& out, std::int64_t until_us) = 0;
  /// All chunks are in the log: frees what the snapshot held on the server, and says where the stream starts.
  [[nodiscard]] virtual Result<SourcePosition> finish() = 0;
};

/// What the source was left with by an earlier life of the connector.
struct SourceResume {
  std::optional<SourcePosition> position;  ///< none: never got anything into the log
  bool snapshot_complete = false;          ///< the ledger says the snapshot is done, or was not wanted
  std::vector<TableSchemaPtr> schemas;     ///< every schema of the stream, by id; new ids go on from the last
};

/// How far the source's server is ahead, for lag and for the operator.
struct SourceStatus {
  std::string position;              ///< for people, e.g. `0/16B3748`
  std::int64_t lag_bytes = -1;       ///< server's log written but not yet received; -1: not known
  std::int64_t retained_bytes = -1;  ///< server's log held back for this connector; -1: not known
  std::int64_t last_commit_us = 0;   ///< commit time of the last transaction received
  bool idle = false;                 ///< proven to have nothing to do: the server says it has sent all
};

/// A database whose changes are captured. Used by one thread at a time. After an error with kReconnect or
/// kRetry the runtime closes it, waits, and calls `open` again with what the log then holds.
class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  /// Connects and makes sure that going on from `resume` skips nothing; otherwise a stop error with the
  /// choices. Returns the position to keep in the log before the first row (the slot's start, for one).
  /// Blocks for a bounded time.
  [[nodiscard]] virtual Result<SourcePosition> open(const SourceResume& resume, TaskContext& context) = 0;
  /// Not null after `open` when a snapshot has to be read first. Owned by the source, gone with `close`.
  [[nodiscard]] virtual Snapshotter* snapshotter() = 0;
  /// Adds rows until the batch is full, a transaction has ended and nothing more is at hand, or `until_us`
  /// has come. No rows is fine. Answers the position that the rows so far stand for; it may move without
  /// rows, and then is to be kept in the log like any other before it is acknowledged.
  [[nodiscard]] virtual Result<SourcePosition> fill(BatchBuilder& out, std::int64_t until_us) = 0;
  /// The log has everything up to `durable` on disk, so the database may forget it. Also called about once a
  /// second with the same position while `fill` is held back, so that the server never times us out. Never
  /// blocks long.
  [[nodiscard]] virtual Status acknowledge(const SourcePosition& durable) = 0;
  [[nodiscard]] virtual SourceStatus status() const = 0;
  /// Gives up the connection; `open` may follow.
  virtual void close() = 0;
};

}  // namespace millrace
