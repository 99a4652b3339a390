#include "event/row_copy.h"

namespace millrace {

void copy_cell(BatchBuilder& out, std::uint32_t to, const Batch& batch, const Cell& cell) {
  switch (storage_of(cell.type)) {
    case CellStorage::kWord:
      out.cell(to) = cell;
      return;
    case CellStorage::kBytes:
      out.cell(to) = out.put_bytes(cell.type, batch.bytes(cell));
      return;
    case CellStorage::kCells:
      break;
  }
  const auto elements = batch.elements(cell);
  const std::uint32_t first = out.add_cells(elements.size());
  out.cell(to) = BatchBuilder::put_cells(cell.type, first, elements.size());
  for (std::uint32_t i = 0; i < elements.size(); ++i) copy_cell(out, first + i, batch, elements[i]);
}

BatchPtr copy_row(const Batch& batch, std::size_t row, const CellReplacer& replace) {
  const Row from = batch.row(row);
  const TransactionRecord& transaction = batch.transaction(from);
  BatchBuilder out;
  out.set_received_us(batch.received_us());
  out.begin_transaction(batch.commit(transaction), transaction.id, transaction.commit_us);
  RowRecord record = batch.records()[row];
  record.schema = out.schema(batch.schemas()[from.schema]);
  record.topic = out.topic(batch.topics()[from.topic]);
  record.transaction = out.transaction();
  record.first_cell =
      out.add_cells(from.key.size() + from.before.size() + from.after.size() + from.headers.size());
  std::uint32_t to = record.first_cell;
  const auto copy = [&](std::span<const Cell> cells, bool is_after) {
    for (std::size_t i = 0; i < cells.size(); ++i, ++to) {
      if (!is_after || !replace || !replace(out, i, to)) copy_cell(out, to, batch, cells[i]);
    }
  };
  copy(from.key, false);
  copy(from.before, false);
  copy(from.after, true);
  copy(from.headers, false);
  out.add_row(record);
  out.end_transaction();
  return out.seal();
}

}  // namespace millrace
