#include "sink/redis/target/row_cells.h"

#include <algorithm>

namespace millrace::redis {

bool same_value(const Batch& a_batch, const Cell& a, const Batch& b_batch, const Cell& b) {
  if (a.type != b.type) return false;
  switch (storage_of(a.type)) {
    case CellStorage::kWord:
      return a.word == b.word;
    case CellStorage::kBytes:
      return a_batch.bytes(a) == b_batch.bytes(b);
    case CellStorage::kCells:
      break;
  }
  const auto a_cells = a_batch.elements(a);
  const auto b_cells = b_batch.elements(b);
  const auto same = [&](const Cell& x, const Cell& y) { return same_value(a_batch, x, b_batch, y); };
  return std::equal(a_cells.begin(), a_cells.end(), b_cells.begin(), b_cells.end(), same);
}

}  // namespace millrace::redis
