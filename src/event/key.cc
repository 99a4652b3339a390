#include "event/key.h"

#include <algorithm>

namespace millrace {

namespace {

constexpr Cell kAbsentCell = {CellType::kAbsent, {0, 0, 0}, 0, 0};

}  // namespace

std::size_t key_size(const Batch& batch, const Row& row) {
  return row.key.empty() ? batch.schema(row).key_columns.size() : row.key.size();
}

const Cell& key_cell(const Batch& batch, const Row& row, Side side, std::size_t i) {
  MILLRACE_CHECK(i < key_size(batch, row));
  if (!row.key.empty()) return row.key[i];
  const std::uint16_t column = batch.schema(row).key_columns[i];
  const auto own = image(row, side);
  if (column < own.size() && !is_missing(own[column])) return own[column];
  const auto other = image(row, side == Side::kBefore ? Side::kAfter : Side::kBefore);
  if (column < other.size() && !is_missing(other[column])) return other[column];
  return kAbsentCell;
}

bool same_value(const Batch& a, const Cell& left, const Batch& b, const Cell& right) {
  if (left.type != right.type || is_missing(left)) return false;
  switch (storage_of(left.type)) {
    case CellStorage::kWord:
      return left.type == CellType::kNull || left.word == right.word;
    case CellStorage::kBytes:
      return a.bytes(left) == b.bytes(right);
    case CellStorage::kCells:
      return std::ranges::equal(a.elements(left), b.elements(right),
                                [&](const Cell& l, const Cell& r) { return same_value(a, l, b, r); });
  }
  return false;
}

bool key_changed(const Batch& batch, const Row& row) {
  if (row.op != Op::kUpdate || row.before.empty() || row.after.empty()) return false;
  return std::ranges::any_of(batch.schema(row).key_columns, [&](std::uint16_t column) {
    const Cell& before = row.before[column];
    // A key column is always in the old key, but for an untouched large value it may be missing from the new
    // one.
    return !is_missing(before) && !is_missing(row.after[column]) &&
           !same_value(batch, before, batch, row.after[column]);
  });
}

}  // namespace millrace
