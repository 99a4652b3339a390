#include "runtime/row_keys.h"

#include "event/key.h"

namespace millrace {
namespace {

void append_number(std::string& out, std::uint64_t number) {
  for (int shift = 0; shift < 64; shift += 8) out.push_back(static_cast<char>(number >> shift));
}

void append_key_cell(std::string& out, const Batch& batch, const Cell& cell) {
  out.push_back(static_cast<char>(cell.type));
  switch (storage_of(cell.type)) {
    case CellStorage::kWord:
      append_number(out, cell.type == CellType::kNull ? 0 : cell.word);
      return;
    case CellStorage::kBytes:
      append_number(out, cell.size);
      out += batch.bytes(cell);
      return;
    case CellStorage::kCells:
      append_number(out, cell.size);
      for (const Cell& element : batch.elements(cell)) append_key_cell(out, batch, element);
  }
}

/// False when a part of it was not sent.
bool append_key(std::string& out, const Batch& batch, const Row& row, Side side) {
  const std::size_t size = key_size(batch, row);
  for (std::size_t i = 0; i < size; ++i) {
    const Cell& cell = key_cell(batch, row, side, i);
    if (is_missing(cell)) return false;
    append_key_cell(out, batch, cell);
  }
  return size > 0;
}

}  // namespace

std::string key_form(const TableSchema& schema) {
  std::string out;
  for (const std::uint16_t column : schema.key_columns) {
    out += schema.columns[column].name;
    out.push_back('\0');
    out.push_back(static_cast<char>(schema.columns[column].type));
  }
  return out;
}

std::vector<std::string> row_keys(const Batch& batch, const Row& row) {
  std::string after;
  if (!append_key(after, batch, row, Side::kAfter)) return {};
  if (!key_changed(batch, row)) return {std::move(after)};
  std::string before;
  if (!append_key(before, batch, row, Side::kBefore)) return {};
  return {std::move(after), std::move(before)};
}

}  // namespace millrace
