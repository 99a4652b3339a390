#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include "event/batch_builder.h"

namespace millrace {

/// Sets cell `to` of `out` to a copy of `cell`, with its bytes and elements.
void copy_cell(BatchBuilder& out, std::uint32_t to, const Batch& batch, const Cell& cell);

/// May set cell `to` of the copy, which stands for column `column` after the change; false: it is copied.
// tidy: allow std-function: called for a row that is parked, not for each
using CellReplacer = std::function<bool(BatchBuilder& out, std::size_t column, std::uint32_t to)>;

/// Row `row` of `batch` as a batch of its own: same topic, schema, transaction, index and time of receipt.
/// Pure.
[[nodiscard]] BatchPtr copy_row(const Batch& batch, std::size_t row, const CellReplacer& replace = {});

}  // namespace millrace
