#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/result.h"
#include "event/batch_builder.h"
#include "source/postgres/position.h"
#include "source/postgres/protocol.h"
#include "source/postgres/types.h"
#include "source/postgres/values.h"

namespace millrace::postgres {

/// A table under one version of its schema, ready to read rows of. Immutable.
struct Table {
  TableSchemaPtr schema;
  std::vector<ValueFormat> formats;
  std::vector<bool> in_identity;
  std::string topic;
  bool captured = true;  ///< false: its changes are counted and not kept
};
using TablePtr = std::shared_ptr<const Table>;

/// Where the decoder learns what a Relation message stands for. A client of the catalog, or a test's own.
class TableResolver {
 public:
  TableResolver() = default;
  TableResolver(const TableResolver&) = delete;
  TableResolver& operator=(const TableResolver&) = delete;
  virtual ~TableResolver() = default;
  [[nodiscard]] virtual Result<TablePtr> resolve(const Relation& relation) = 0;
  /// A type that the next Relation uses, told by the stream itself.
  virtual void note_type(std::uint32_t oid, std::string_view schema, std::string_view name) = 0;
};

/// A row in the batch at hand of which the stream left values out.
struct UnsentRow {
  TablePtr table;
  std::uint32_t first_cell = 0;        ///< of the after image
  std::vector<std::uint16_t> columns;  ///< that are kUnchanged
  std::vector<std::string> key;        ///< texts of the table's key columns; none: it has no key, or not all
};

/// Turns pgoutput messages into rows of a batch, in commit order. A state machine without I/O or clock, of
/// one connection: a new connection takes a new decoder, made from the position in the log. One thread.
///
/// The server sends whole transactions again after a restart. Those whose commit lies before the position are
/// dropped, and of the one after it as many rows as are in the log already; `position()` then says exactly
/// what the rows put into batches stand for. A transaction may span batches, as long as all of them come out
/// of the one builder.
class Decoder {
 public:
  Decoder(TableResolver& tables, const StreamPoint& from);

  /// Takes one message, which lies at `lsn` in the WAL. Errors: a message out of order or not understood, a
  /// transaction that is not the one whose rows are partly in the log, or what the resolver says.
  [[nodiscard]] Status apply(std::string_view message, Lsn lsn, BatchBuilder& out);
  /// A keep-alive: everything that commits before `wal_end` has been sent.
  [[nodiscard]] Status advance(Lsn wal_end);

  [[nodiscard]] const StreamPoint& position() const { return position_; }
  [[nodiscard]] bool in_transaction() const { return in_transaction_; }
  [[nodiscard]] std::int64_t last_commit_us() const { return last_commit_us_; }
  [[nodiscard]] Lsn received() const { return received_; }
  /// `topic.column` of each column with values that were kept as text because they did not parse, once for
  /// each time that the table was described.
  [[nodiscard]] const std::vector<std::string>& unparsed_columns() const { return unparsed_columns_; }
  /// From now on rows of which values were left out are noted.
  void note_unsent() { notes_unsent_ = true; }
  /// Those since the last call.
  [[nodiscard]] std::vector<UnsentRow> take_unsent() { return std::exchange(unsent_, {}); }
  /// For errors: the transaction at hand, or nothing.
  [[nodiscard]] std::string place() const;

 private:
  [[nodiscard]] Status begin();
  [[nodiscard]] Status commit(BatchBuilder& out);
  [[nodiscard]] Status change(Lsn lsn, BatchBuilder& out);
  [[nodiscard]] Status truncate(Lsn lsn, BatchBuilder& out);
  [[nodiscard]] Status row_index(const Table& table, std::optional<std::uint32_t>& index);
  [[nodiscard]] Result<const Table*> table(std::uint32_t oid) const;
  [[nodiscard]] Status put_row(const Table& table, std::span<const TupleField> row, char old_kind,
                               bool is_old, std::uint32_t first_cell, BatchBuilder& out);
  void note(const Table& table, std::uint32_t first_cell, BatchBuilder& out);
  RowRecord record(Op op, const Table& table, std::uint32_t index, Lsn lsn, BatchBuilder& out);

  TableResolver& tables_;
  std::unordered_map<std::uint32_t, TablePtr> known_;
  // The table of the change before: most changes are of the same one.
  mutable std::uint32_t last_oid_ = 0;
  mutable const Table* last_table_ = nullptr;
  Message message_;
  ValueDecoder values_;
  std::set<std::pair<const Table*, std::size_t>> unparsed_;
  std::vector<std::string> unparsed_columns_;
  bool notes_unsent_ = false;
  std::vector<UnsentRow> unsent_;

  StreamPoint position_;
  bool in_transaction_ = false;
  bool skip_transaction_ = false;  // all of it is in the log
  bool begun_ = false;             // the builder knows the transaction
  std::uint64_t skip_rows_ = 0;    // first rows of it that are in the log
  std::uint64_t next_index_ = 0;
  Lsn commit_lsn_ = 0;
  std::uint32_t xid_ = 0;
  std::int64_t commit_us_ = 0;
  std::int64_t last_commit_us_ = 0;
  Lsn received_ = 0;
};

}  // namespace millrace::postgres
