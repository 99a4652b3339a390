#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "connect/source.h"
#include "connect/task_context.h"
#include "source/postgres/catalog.h"
#include "source/postgres/client.h"
#include "source/postgres/options.h"
#include "source/postgres/position.h"
#include "source/postgres/table_rows.h"

namespace millrace::postgres {

/// Reads the captured tables, one chunk a table, in one REPEATABLE READ transaction by COPY in text form. One
/// thread.
///
/// Why what it gives and the stream together are right. The first time, the transaction uses the snapshot
/// that was exported with the slot: it shows exactly what committed before the slot's start, and the stream
/// brings exactly what committed from there on. An ALTER that writes a table anew breaks that: its rows are
/// then newer than any snapshot before it, and no change tells of them. So each table is locked against it
/// before it is read, and one that was written anew since the snapshot is left to the next life. When the
/// process dies inside the snapshot, that snapshot is gone but the slot is not. The next life reads the
/// chunks that are not done yet in a new transaction, which sees the tables at a later time S, and then
/// streams from the slot's start P all the same. Each change between P and S then comes although the chunk
/// shows it already. Every change is applied in commit order and the last one of a row leaves it as it was at
/// S, so each row goes through older states and ends as it is: one that was deleted before S ends with its
/// delete. This holds for each chunk alone, so chunks of different lives go together. Readers that keep every
/// event see rows "read" as of S and then changed by events before S; the events' positions say so.
class TableSnapshot final : public Snapshotter {
 public:
  /// `connection` is a normal one with nothing running. `start` is where the stream will begin. `exported`
  /// names the slot's snapshot, or is empty. `start_stream` is called by `finish`. All references outlive
  /// this.
  TableSnapshot(Connection& connection, Catalog& catalog, const Settings& settings, TaskContext& context,
                const StreamPoint& start, std::function<Status()> start_stream);

  /// Opens the transaction; while `exported`'s owner is still there.
  [[nodiscard]] Status begin(const std::string& exported);

  [[nodiscard]] Result<std::vector<Chunk>> plan() override;
  [[nodiscard]] Result<bool> read(const Chunk& chunk, BatchBuilder& out, std::int64_t until_us) override;
  [[nodiscard]] Result<SourcePosition> finish() override;

 private:
  struct Active {
    std::string chunk;
    TableRows rows;
  };

  [[nodiscard]] Status start(const PublishedTable& source);
  [[nodiscard]] Status lock(const PublishedTable& source);
  [[nodiscard]] Error explain(const PublishedTable& source, Error error) const;
  [[nodiscard]] Result<bool> pump(BatchBuilder& out, std::int64_t until_us);
  [[nodiscard]] Status put_row(std::string_view line, BatchBuilder& out);

  Connection& connection_;
  Catalog& catalog_;
  const Settings& settings_;
  TaskContext& context_;
  const StreamPoint start_;
  std::function<Status()> start_stream_;
  std::vector<PublishedTable> sources_;
  std::optional<Active> active_;
  std::int64_t snapshot_us_ = 0;
  std::string commit_;  // of the rows: the slot's start, and which attempt when it is not the first
};

}  // namespace millrace::postgres
