#include "source/postgres/decoder.h"

#include <limits>
#include <utility>

namespace millrace::postgres {
namespace {

Error out_of_order(std::string_view what) {
  return stop_error("the server sent " + std::string(what) + " where none can be");
}

bool has_key_only(const Table& table, std::size_t column, char old_kind) {
  return old_kind == 'K' && !table.in_identity[column];
}

}  // namespace

Decoder::Decoder(TableResolver& tables, const StreamPoint& from) : tables_(tables), position_(from) {
  received_ = from.next;
}

Status Decoder::apply(std::string_view message, Lsn lsn, BatchBuilder& out) {
  MILLRACE_TRY(parse_message(message, message_));
  if (lsn > received_) received_ = lsn;
  switch (message_.type) {
    case MessageType::kBegin:
      return begin();
    case MessageType::kCommit:
      return commit(out);
    case MessageType::kInsert:
    case MessageType::kUpdate:
    case MessageType::kDelete:
      return change(lsn, out);
    case MessageType::kTruncate:
      return truncate(lsn, out);
    case MessageType::kRelation: {
      last_table_ = nullptr;
      unparsed_.clear();
      Result<TablePtr> resolved = tables_.resolve(message_.relation);
      if (!resolved) return std::move(resolved).error();
      known_.insert_or_assign(message_.relation.oid, std::move(*resolved));
      return {};
    }
    case MessageType::kType:
      tables_.note_type(message_.type_oid, message_.type_schema, message_.type_name);
      return {};
    case MessageType::kOrigin:
    case MessageType::kMessage:  // not asked for
      return {};
  }
  return out_of_order("a message of unknown kind");
}

std::string Decoder::place() const {
  if (!in_transaction_) return {};
  return ", in transaction " + std::to_string(xid_) + " committed at " + lsn_text(commit_lsn_);
}

Status Decoder::begin() {
  if (in_transaction_) return out_of_order("the begin of a transaction");
  commit_lsn_ = message_.commit_lsn;
  xid_ = message_.xid;
  commit_us_ = message_.commit_us;
  in_transaction_ = true;
  begun_ = false;
  next_index_ = 0;
  skip_rows_ = 0;
  skip_transaction_ = commit_lsn_ < position_.next;
  if (skip_transaction_ || position_.open_rows == 0) return {};
  if (commit_lsn_ != position_.open_commit) {
    return stop_error(
        "the transaction committed at " + lsn_text(position_.open_commit) + ", of which " +
            std::to_string(position_.open_rows) +
            " rows are in the log, was not sent again; the server went on with " + lsn_text(commit_lsn_),
        "Its other rows are lost to the stream. Was the publication changed? Start the connector anew.");
  }
  skip_rows_ = position_.open_rows;
  return {};
}

Status Decoder::commit(BatchBuilder& out) {
  if (!in_transaction_ || message_.commit_lsn != commit_lsn_) return out_of_order("a commit");
  in_transaction_ = false;
  last_commit_us_ = message_.commit_us;
  if (message_.end_lsn > received_) received_ = message_.end_lsn;
  if (skip_transaction_) return {};
  if (next_index_ < skip_rows_) {
    return stop_error("the transaction committed at " + lsn_text(commit_lsn_) + " was sent again with " +
                          std::to_string(next_index_) + " rows, fewer than the " +
                          std::to_string(skip_rows_) + " that are in the log",
                      "Was the publication changed? Start the connector anew.");
  }
  // Even without rows of its own: rows before it may have waited for nothing else.
  out.end_transaction();
  position_.next = message_.end_lsn;
  position_.open_commit = 0;
  position_.open_rows = 0;
  return {};
}

Status Decoder::advance(Lsn wal_end) {
  if (wal_end > received_) received_ = wal_end;
  if (in_transaction_ || wal_end <= position_.next) return {};
  if (position_.open_rows > 0) {
    if (wal_end <= position_.open_commit) return {};
    return stop_error(
        "the transaction committed at " + lsn_text(position_.open_commit) + ", of which " +
            std::to_string(position_.open_rows) + " rows are in the log, was not sent again",
        "Its other rows are lost to the stream. Was the publication changed? Start the connector anew.");
  }
  position_.next = wal_end;
  return {};
}

Result<const Table*> Decoder::table(std::uint32_t oid) const {
  if (last_table_ != nullptr && last_oid_ == oid) return last_table_;
  const auto found = known_.find(oid);
  if (found == known_.end()) {
    return stop_error("the server sent a change of table " + std::to_string(oid) +
                      " without saying what it is");
  }
  last_oid_ = oid;
  last_table_ = found->second.get();
  return last_table_;
}

/// Counts a row change. `index` is its number when it is to go into the batch, nothing when it is dropped.
Status Decoder::row_index(const Table& table, std::optional<std::uint32_t>& index) {
  if (!in_transaction_) return out_of_order("a change outside a transaction");
  const std::uint64_t number = next_index_++;
  if (skip_transaction_ || number < skip_rows_) return {};
  if (number > std::numeric_limits<std::uint32_t>::max()) {
    return stop_error("a transaction has more than 4294967295 row changes");
  }
  position_.open_commit = commit_lsn_;
  position_.open_rows = next_index_;
  if (table.captured) index = static_cast<std::uint32_t>(number);
  return {};
}

RowRecord Decoder::record(Op op, const Table& table, std::uint32_t index, Lsn lsn, BatchBuilder& out) {
  if (!begun_) {
    out.begin_transaction(lsn_key(commit_lsn_), xid_, commit_us_);
    begun_ = true;
  }
  RowRecord row;
  row.op = op;
  row.schema = out.schema(table.schema);
  row.topic = out.topic(table.topic);
  row.transaction = out.transaction();
  row.index = index;
  row.source_offset = lsn;
  return row;
}

Status Decoder::change(Lsn lsn, BatchBuilder& out) {
  Result<const Table*> found = table(message_.relation_oid);
  if (!found) return std::move(found).error();
  const Table& t = **found;
  const std::size_t columns = t.formats.size();
  if ((message_.type != MessageType::kDelete && message_.new_row.size() != columns) ||
      (message_.old_kind != 0 && message_.old_row.size() != columns)) {
    return stop_error("the server sent a row of " + t.topic +
                      " with another number of columns than the table has");
  }
  std::optional<std::uint32_t> index;
  MILLRACE_TRY(row_index(t, index));
  if (!index) return {};
  const Op op = message_.type == MessageType::kInsert   ? Op::kInsert
                : message_.type == MessageType::kUpdate ? Op::kUpdate
                                                        : Op::kDelete;
  RowRecord row = record(op, t, *index, lsn, out);
  row.before_count = static_cast<std::uint16_t>(message_.old_kind != 0 ? columns : 0);
  row.after_count = static_cast<std::uint16_t>(op == Op::kDelete ? 0 : columns);
  row.first_cell = out.add_cells(std::size_t{row.before_count} + row.after_count);
  if (row.before_count > 0) {
    MILLRACE_TRY(put_row(t, message_.old_row, message_.old_kind, true, row.first_cell, out));
  }
  if (row.after_count > 0) {
    MILLRACE_TRY(
        put_row(t, message_.new_row, message_.old_kind, false, row.first_cell + row.before_count, out));
    if (notes_unsent_) note(t, row.first_cell + row.before_count, out);
  }
  out.add_row(row);
  return {};
}

/// Sets the cells of one image. Under `old_kind` K only the identity's columns of the old row were sent. A
/// value that the new row left unchanged is taken from the old row where that has it.
Status Decoder::put_row(const Table& table, std::span<const TupleField> row, char old_kind, bool is_old,
                        std::uint32_t first_cell, BatchBuilder& out) {
  for (std::size_t i = 0; i < row.size(); ++i) {
    const TupleField* field = &row[i];
    if (!is_old && field->kind == 'u' && old_kind != 0 && !has_key_only(table, i, old_kind)) {
      field = &message_.old_row[i];
    }
    Cell cell = BatchBuilder::put_mark(CellType::kNull);
    if (is_old && has_key_only(table, i, old_kind)) {
      cell = BatchBuilder::put_mark(CellType::kAbsent);
    } else if (field->kind == 't') {
      const std::uint64_t unparsed = values_.unparsed();
      cell = values_.decode(table.formats[i], field->bytes, out);
      if (values_.unparsed() != unparsed && unparsed_.emplace(&table, i).second) {
        unparsed_columns_.push_back(table.topic + "." + table.schema->columns[i].name);
      }
    } else if (field->kind == 'u') {
      cell = BatchBuilder::put_mark(CellType::kUnchanged);
    } else if (field->kind == 'b') {
      return stop_error("the server sent a value of " + table.topic + ", column " +
                        table.schema->columns[i].name + ", in binary form, which was not asked for");
    }
    out.cell(first_cell + static_cast<std::uint32_t>(i)) = cell;
  }
  return {};
}

void Decoder::note(const Table& table, std::uint32_t first_cell, BatchBuilder& out) {
  UnsentRow row;
  const std::size_t columns = table.formats.size();
  for (std::size_t i = 0; i < columns; ++i) {
    if (out.cell(first_cell + static_cast<std::uint32_t>(i)).type == CellType::kUnchanged)
      row.columns.push_back(static_cast<std::uint16_t>(i));
  }
  if (row.columns.empty()) return;
  for (const std::uint16_t column : table.schema->key_columns) {
    const TupleField& field = message_.new_row[column];
    if (field.kind != 't') return;
    row.key.emplace_back(field.bytes);
  }
  row.table = known_.at(message_.relation_oid);
  row.first_cell = first_cell;
  unsent_.push_back(std::move(row));
}

Status Decoder::truncate(Lsn lsn, BatchBuilder& out) {
  for (const std::uint32_t oid : message_.truncated) {
    Result<const Table*> found = table(oid);
    if (!found) return std::move(found).error();
    std::optional<std::uint32_t> index;
    MILLRACE_TRY(row_index(**found, index));
    if (!index) continue;
    RowRecord row = record(Op::kTruncate, **found, *index, lsn, out);
    row.first_cell = out.add_cells(0);
    out.add_row(row);
  }
  return {};
}

}  // namespace millrace::postgres
