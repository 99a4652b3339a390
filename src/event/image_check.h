#pragma once

#include <cstddef>
#include <span>

#include "event/batch.h"

namespace millrace {

/// The parts of an image, cut but not yet trusted.
struct ImageParts {
  std::span<const RowRecord> rows;
  std::span<const Cell> cells;
  std::span<const TransactionRecord> transactions;
  std::span<const TableSchemaPtr> schemas;
  std::size_t topic_count = 0;
  std::size_t byte_count = 0;
};

/// What does not fit in an image, or null when every index and offset in it is sound. Work is bounded by the number
/// of cells: elements of an array must lie behind the cell that refers to them, and each cell is looked at once.
[[nodiscard]] const char* find_image_fault(const ImageParts& parts);

}  // namespace millrace
