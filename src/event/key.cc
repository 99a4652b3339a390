#include "event/key.h"

#include <algorithm>

namespace millrace {

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
    // A key column is always in the old key, but for an untouched large value it may be missing from the new one.
    return !is_missing(before) && !is_missing(row.after[column]) && !same_value(batch, before, batch, row.after[column]);
  });
}

}  // namespace millrace
