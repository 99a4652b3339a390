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

[[nodiscard]] constexpr std::size_t cell_count(const RowRecord& row) {
  return std::size_t{row.key_count} + row.before_count + row.after_count + row.header_count;
}

/// What is wrong with the images of a row of a table with `columns` columns, or null. The row's cells have to
/// lie in [first_free, end): the rows of a batch share none, so that reading all of them is never more than
/// reading the batch.
[[nodiscard]] const char* find_row_shape_fault(const RowRecord& row, std::size_t columns,
                                               std::size_t first_free, std::size_t end);

/// What does not fit in an image, or null when every index and offset in it is sound. Work is bounded by the
/// number of cells: elements of an array must lie behind the cell that refers to them, and each cell is
/// looked at once.
[[nodiscard]] const char* find_image_fault(const ImageParts& parts);

}  // namespace millrace
