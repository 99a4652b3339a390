#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "event/batch.h"
#include "event/schema.h"
#include "format/row_json.h"

namespace millrace::redis {

/// What a field holds of its column: the value as it is, or what a function in `target.fields` or a search
/// index that reads the field makes of it.
struct FieldForm {
  enum class Function : std::uint8_t {
    kNone,
    kText,    ///< the plain text of a key's part
    kNumber,  ///< what NUMERIC takes; times as milliseconds, or as format.time has them
    kEpoch,   ///< seconds since 1970, midnight or nothing, with fractions
    kMillis,
    kMicros,
    kIso,     ///< times as text, whatever format.time says
    kGeo,     ///< `lon,lat`, of one column or two
    kWkt,     ///< POINT or POLYGON
    kVector,  ///< a list of numbers
  };
  enum class Packing : std::uint8_t { kNone, kFloat32, kFloat64 };
  Function function = Function::kNone;
  Packing packing = Packing::kNone;  ///< of kVector: the bytes that a hash's VECTOR field takes
  /// Made for an index, not asked for by name: a text that has no such form stands as it is, for Redis to
  /// count it.
  bool for_index = false;

  friend bool operator==(const FieldForm&, const FieldForm&) = default;
};

/// The function called `name`, and how it is written.
[[nodiscard]] std::optional<FieldForm::Function> field_function(std::string_view name);
/// `number, geo, ...`: all there are.
[[nodiscard]] std::string field_functions();
/// Why the function takes no column of that type; empty when it does.
[[nodiscard]] std::string_view form_fault(FieldForm::Function function, const ColumnSchema& column);

/// Appends what the function makes of a cell that has a value. False, and nothing is appended: the value has
/// no such form (NaN, infinite, no number, no place), and the field is NULL.
[[nodiscard]] bool append_form(std::string& out, const FieldForm& form, const Batch& batch, const Cell& cell,
                               const JsonOptions& options);
/// `lon,lat` of two cells that have values.
[[nodiscard]] bool append_place(std::string& out, const Batch& lon_batch, const Cell& lon,
                                const Batch& lat_batch, const Cell& lat);
/// What the function makes is a text, to be quoted in JSON.
[[nodiscard]] bool is_text(FieldForm::Function function);

}  // namespace millrace::redis
