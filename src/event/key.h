#pragma once

#include "event/batch.h"

namespace millrace {

/// Which of a row's two images a key is taken from.
enum class Side : std::uint8_t { kBefore, kAfter };

/// The image of a row on one side; a side that was not sent is empty.
[[nodiscard]] inline std::span<const Cell> image(const Row& row, Side side) {
  return side == Side::kBefore ? row.before : row.after;
}

/// Cells of a row's key: its own key when it is a plain record, else the key columns of its schema.
[[nodiscard]] std::size_t key_size(const Batch& batch, const Row& row);

/// The `i`-th cell of a row's key on one side, i < key_size. A side that was not sent, or not with this
/// column, gives the other side's cell: the key did not change then, and a delete is found by the key it had.
/// kAbsent when neither has it. Good as long as the batch.
[[nodiscard]] const Cell& key_cell(const Batch& batch, const Row& row, Side side, std::size_t i);

/// True when both cells hold the same value, byte for byte; values of different types differ. NULL equals
/// NULL; a value that was not sent equals nothing.
[[nodiscard]] bool same_value(const Batch& a, const Cell& left, const Batch& b, const Cell& right);

/// True when the row is an update whose before image shows another key than its after image. An update
/// without a before image left its key alone.
[[nodiscard]] bool key_changed(const Batch& batch, const Row& row);

}  // namespace millrace
