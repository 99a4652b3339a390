#pragma once

#include <string>

#include "event/batch.h"

namespace millrace {

/// A batch as text for tests and debugging, a line a row:
/// `update shop.public.t tx=0/16B3748 #3 {id=1 a=-} -> {id=1 a='x'}`. `~` is kUnchanged, `-` is kAbsent. It
/// shows values: never for logs.
[[nodiscard]] std::string dump(const Batch& batch);
[[nodiscard]] std::string dump_cell(const Batch& batch, const Cell& cell);

}  // namespace millrace
