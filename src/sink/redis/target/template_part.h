#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/batch.h"
#include "event/schema.h"

namespace millrace::redis {

/// A piece of a template such as `flight:{lower(origin)}`: text, or what stands between braces.
struct TemplatePart {
  enum class Kind : std::uint8_t { kText, kColumn, kTopic, kTable, kSchema };
  enum class Function : std::uint8_t {
    kNone,
    kLower,  ///< `lower(column)`: A to Z only, whatever the language
    kUpper,
    kHash,  ///< `hash(column)`: SHA-1 of the text in hex; `hash(column, 16)`: a number from 0 to 15 made of
            ///< it
    kDate,  ///< `date(column, %Y-%m)`: parts of a date or timestamp, in UTC where the zone is known
  };
  Kind kind = Kind::kText;
  std::string text{};  ///< or the column's name
  Function function = Function::kNone;
  std::string format{};       ///< of kDate: %Y %m %d %H %M %S and %%
  std::uint32_t modulus = 0;  ///< of kHash; 0: the whole hash

  /// Different values always give different texts.
  [[nodiscard]] bool is_one_to_one() const { return function == Function::kNone; }
};

/// Takes a template apart: text, `{{` and `}}` for braces, `{topic}`, `{table}`, `{schema}`, `{column}`,
/// `{function(column)}`; `{column:topic}` is a column of such a name, whatever it is. The error says what is
/// wrong and where.
[[nodiscard]] Result<std::vector<TemplatePart>> parse_template(std::string_view text);

/// Why `part` cannot be made of a column of that type; empty when it can.
[[nodiscard]] std::string_view part_fault(const TemplatePart& part, const ColumnSchema& column);

/// `did you mean id?` where a column of the table is called nearly so, else empty.
[[nodiscard]] std::string near_column(const TableSchema& schema, std::string_view name);

/// Appends what `part` makes of a cell that has a value. False when an array in it is not UTF-8; what was
/// appended has then to be cut off.
[[nodiscard]] bool append_part(std::string& out, const TemplatePart& part, const Batch& batch,
                               const Cell& cell);

/// Whether a column of type `type` may have the value `text`, by the characters it is written with.
[[nodiscard]] bool may_be_value(CellType type, std::string_view text);

}  // namespace millrace::redis
