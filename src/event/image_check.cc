#include "event/image_check.h"

#include <cstdint>

namespace millrace {
namespace {

constexpr std::uint8_t kMaxDepth = 8;

bool fixed_size_fits(const Cell& cell) {
  switch (cell.type) {
    case CellType::kTimeTz:
    case CellType::kInterval:
    case CellType::kUuid:
      return cell.size == 16;
    default:
      return true;
  }
}

/// Cells form trees: a row's cells are the roots, and an array's elements stand behind the array's own cell. `depth`
/// holds for each cell how deep it may be at most found so far, so one pass in order sees every chain.
const char* find_cell_fault(const ImageParts& parts) {
  std::vector<std::uint8_t> depth;
  for (std::size_t i = 0; i < parts.cells.size(); ++i) {
    const Cell& cell = parts.cells[i];
    if (static_cast<std::uint8_t>(cell.type) >= kCellTypeCount) return "a cell is of an unknown type";
    const CellStorage storage = storage_of(cell.type);
    if (storage == CellStorage::kWord) continue;
    if (storage == CellStorage::kBytes) {
      if (cell.word > parts.byte_count || cell.size > parts.byte_count - cell.word) return "a value lies outside of it";
      if (!fixed_size_fits(cell)) return "a value has the wrong size for its type";
      continue;
    }
    if (cell.size == 0) continue;
    if (cell.word <= i || cell.word > parts.cells.size() || cell.size > parts.cells.size() - cell.word) {
      return "the elements of an array lie outside of it";
    }
    if (depth.empty()) depth.resize(parts.cells.size());
    const auto below = static_cast<std::uint8_t>(depth[i] + 1);
    if (below > kMaxDepth) return "arrays are nested too deep";
    const auto first = static_cast<std::size_t>(cell.word);
    // An element belongs to one array only; this keeps the pass, and every later walk, linear.
    for (std::size_t element = first; element < first + cell.size; ++element) {
      if (depth[element] != 0) return "two arrays share elements";
      depth[element] = below;
    }
  }
  return nullptr;
}

const char* find_row_fault(const ImageParts& parts, const RowRecord& row) {
  if (static_cast<std::uint8_t>(row.op) >= kOpCount) return "a row has an unknown operation";
  if (row.schema >= parts.schemas.size()) return "a row names a schema that is not there";
  if (row.topic >= parts.topic_count) return "a row names a topic that is not there";
  if (row.transaction >= parts.transactions.size()) return "a row names a transaction that is not there";
  const std::uint64_t cells = std::uint64_t{row.key_count} + row.before_count + row.after_count + row.header_count;
  if (row.first_cell + cells > parts.cells.size()) return "a row's cells lie outside of it";
  const std::size_t columns = parts.schemas[row.schema]->columns.size();
  const auto fits = [&](std::uint16_t count) { return count == 0 || count == columns; };
  const bool is_change = row.op <= Op::kDelete && row.key_count == 0;
  if (is_change && (!fits(row.before_count) || !fits(row.after_count))) return "a row does not fit its schema";
  return nullptr;
}

}  // namespace

const char* find_image_fault(const ImageParts& parts) {
  std::uint32_t last_transaction = 0;
  for (const RowRecord& row : parts.rows) {
    if (const char* fault = find_row_fault(parts, row)) return fault;
    if (row.transaction < last_transaction) return "its transactions are out of order";
    last_transaction = row.transaction;
  }
  for (const TransactionRecord& transaction : parts.transactions) {
    if (std::uint64_t{transaction.commit_offset} + transaction.commit_size > parts.byte_count) {
      return "a transaction's position lies outside of it";
    }
  }
  return find_cell_fault(parts);
}

}  // namespace millrace
