#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/batch.h"

namespace millrace {

/// How values that JSON has no type for are written.
struct JsonOptions {
  enum class Times : std::uint8_t {
    kIso,     ///< text, see format/time_text.h; UTC with `Z` where the source knows the zone
    kMillis,  ///< numbers since 1970-01-01 (dates, timestamps) or midnight (times)
    kMicros,
  };
  enum class Decimals : std::uint8_t {
    kText,    ///< a string: exact everywhere
    kNumber,  ///< a JSON number with all its digits; readers that use doubles lose some
  };
  Times times = Times::kIso;
  Decimals decimals = Decimals::kText;
};

/// Appends `cell` of `batch` as one JSON value; NULL and values that were not sent as `null`. Integers are
/// exact; NaN and infinities are strings; bytes are base64, uuids and bits text, time with zone
/// `10:00:00+02:00`, interval ISO 8601 (`P1DT2H`), infinite dates "infinity" and "-infinity" in every mode,
/// json columns nested as they are, arrays and structs JSON arrays. False when text is not UTF-8; what was
/// appended has then to be cut off.
[[nodiscard]] bool append_json_cell(std::string& out, const Batch& batch, const Cell& cell,
                                    const JsonOptions& options);

/// The same value as plain text (a hash field, a part of a key): without quotes and escapes, bool as true and
/// false. Text is taken as its bytes. False only when an array in it is not UTF-8.
[[nodiscard]] bool append_text_cell(std::string& out, const Batch& batch, const Cell& cell,
                                    const JsonOptions& options);

/// Writes rows of one table version as JSON objects, member order that of the columns. Prepared once a
/// schema. Immutable afterwards, so thread-safe.
class RowJsonWriter {
 public:
  RowJsonWriter(TableSchemaPtr schema, JsonOptions options);

  /// Appends `{...}` with a member for each cell; a cell that the source did not send is left out, NULL is
  /// `null`. `cells` has one cell a column. A reject error names the column whose text is not UTF-8; `out` is
  /// then as before.
  [[nodiscard]] Status append(std::string& out, const Batch& batch, std::span<const Cell> cells) const;

  /// Appends one member, with a comma in front unless it is the `first`. Error as above.
  [[nodiscard]] Status append_member(std::string& out, const Batch& batch, std::size_t column,
                                     const Cell& cell, bool first) const;

  /// Appends one value as JSON. Error as above.
  [[nodiscard]] Status append_value(std::string& out, const Batch& batch, std::size_t column,
                                    const Cell& cell) const;

  /// Appends one value as plain text, with the options of this writer. Error as above.
  [[nodiscard]] Status append_text(std::string& out, const Batch& batch, std::size_t column,
                                   const Cell& cell) const;

  [[nodiscard]] const TableSchema& schema() const { return *schema_; }

 private:
  TableSchemaPtr schema_;
  JsonOptions options_;
  std::vector<std::string> prefixes_;  // `,"name":`
};

}  // namespace millrace
