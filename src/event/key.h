#pragma once

#include "event/batch.h"

namespace millrace {

/// Which of a row's two images a key is taken from.
enum class Side : std::uint8_t { kBefore, kAfter };

/// The image of a row on one side; a side that was not sent is empty.
[[nodiscard]] inline std::span<const Cell> image(const Row& row, Side side) {
  return side == Side::kBefore ? row.before : row.after;
}

/// True when both cells hold the same value, byte for byte; values of different types differ. NULL equals NULL; a
/// value that was not sent equals nothing.
[[nodiscard]] bool same_value(const Batch& a, const Cell& left, const Batch& b, const Cell& right);

/// True when the row is an update whose before image shows another key than its after image. An update without
/// a before image left its key alone.
[[nodiscard]] bool key_changed(const Batch& batch, const Row& row);

}  // namespace millrace
