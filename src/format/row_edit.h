#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/batch_builder.h"
#include "format/json_value.h"

namespace millrace {

/// Sets cell `to` of `out` to `value`, written as append_json_cell writes values of this column with the
/// default options. An error says what the column takes, and holds no value.
[[nodiscard]] Status parse_json_cell(BatchBuilder& out, std::uint32_t to, const ColumnSchema& column,
                                     const JsonValue& value);

struct EditedRow {
  BatchPtr batch;       ///< of one row
  std::string columns;  ///< those that were edited, with commas
};
/// Row `row` of `batch` with the values of a JSON object, column to value, in place of its own. Only of a row
/// that has values after the change.
[[nodiscard]] Result<EditedRow> edit_row(const Batch& batch, std::size_t row, std::string_view json);

}  // namespace millrace
