#include "event/image_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace millrace {
namespace {

// One word of a cell holds its type and the reserved bytes: checked together.
static_assert(offsetof(Cell, type) == 0 && offsetof(Cell, size) == 4);

const char* find_bytes_fault(const Cell& cell, std::size_t byte_count) {
  if (cell.word > byte_count || cell.size > byte_count - cell.word) return "a value lies outside of it";
  const bool is_fixed =
      cell.type == CellType::kTimeTz || cell.type == CellType::kInterval || cell.type == CellType::kUuid;
  if (is_fixed && cell.size != 16) return "a value has the wrong size for its type";
  return nullptr;
}

/// Cells form trees: a row's cells are the roots, and an array's elements stand behind the array's own cell.
/// `depth` holds for each cell how many arrays it lies in, so one pass in order sees every chain.
const char* find_cell_fault(const ImageParts& parts) {
  std::vector<std::uint8_t> depth;
  for (std::size_t i = 0; i < parts.cells.size(); ++i) {
    const Cell& cell = parts.cells[i];
    std::uint32_t type = 0;
    std::memcpy(&type, &cell, sizeof(type));
    if (type >= kCellTypeCount) return "a cell is of an unknown type";
    const CellStorage storage = storage_of(cell.type);
    if (storage == CellStorage::kWord) {
      if (cell.size != 0 || (cell.type == CellType::kBool && cell.word > 1))
        return "a cell holds what its type cannot";
      continue;
    }
    if (storage == CellStorage::kBytes) {
      if (const char* fault = find_bytes_fault(cell, parts.byte_count)) return fault;
      continue;
    }
    if (depth.empty()) depth.resize(parts.cells.size());
    const auto below = static_cast<std::uint8_t>(depth[i] + 1);
    if (below > kMaxCellDepth) return "arrays are nested too deep";
    // An empty array too: a view of nothing must still begin inside.
    if (cell.word > parts.cells.size() || cell.size > parts.cells.size() - cell.word) {
      return "the elements of an array lie outside of it";
    }
    if (cell.size == 0) continue;
    if (cell.word <= i) return "the elements of an array do not lie behind it";
    const auto first = static_cast<std::size_t>(cell.word);
    // An element belongs to one array only; this keeps the pass, and every later walk, linear.
    for (std::size_t element = first; element < first + cell.size; ++element) {
      if (depth[element] != 0) return "two arrays share elements";
      depth[element] = below;
    }
  }
  return nullptr;
}

const char* find_row_fault(const ImageParts& parts, const RowRecord& row, std::size_t first_free) {
  if (static_cast<std::uint8_t>(row.op) >= kOpCount) return "a row has an unknown operation";
  if (row.schema >= parts.schemas.size()) return "a row names a schema that is not there";
  if (row.topic >= parts.topic_count) return "a row names a topic that is not there";
  if (row.transaction >= parts.transactions.size()) return "a row names a transaction that is not there";
  return find_row_shape_fault(row, parts.schemas[row.schema]->columns.size(), first_free, parts.cells.size());
}

}  // namespace

const char* find_row_shape_fault(const RowRecord& row, std::size_t columns, std::size_t first_free,
                                 std::size_t end) {
  if ((row.reserved | row.reserved2) != 0 || row.reserved3 != 0) return "a reserved field of a row is set";
  const std::size_t cells = cell_count(row);
  if (row.first_cell > end || cells > end - row.first_cell) return "a row's cells lie outside of it";
  if (cells > 0 && row.first_cell < first_free) return "two rows share cells";
  if (row.header_count % 2 != 0) return "a row has half a header";
  if (row.op > Op::kDelete) return nullptr;
  // What reads a change takes the cell of a column without asking whether the image has one.
  if (row.before_count != 0 && row.before_count != columns) return "a row does not fit its schema";
  if (row.after_count != (row.op == Op::kDelete ? 0 : columns)) return "a row does not fit its schema";
  return nullptr;
}

const char* find_image_fault(const ImageParts& parts) {
  std::uint32_t last_transaction = 0;
  std::size_t first_free = 0;
  for (const RowRecord& row : parts.rows) {
    if (const char* fault = find_row_fault(parts, row, first_free)) return fault;
    if (row.transaction < last_transaction) return "its transactions are out of order";
    last_transaction = row.transaction;
    first_free = std::max(first_free, row.first_cell + cell_count(row));
  }
  for (const TransactionRecord& transaction : parts.transactions) {
    if (std::uint64_t{transaction.commit_offset} + transaction.commit_size > parts.byte_count) {
      return "a transaction's position lies outside of it";
    }
  }
  return find_cell_fault(parts);
}

}  // namespace millrace
