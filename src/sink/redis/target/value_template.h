#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/batch.h"
#include "sink/redis/target/row_cells.h"
#include "sink/redis/target/template_part.h"

namespace millrace::redis {

/// A text made of a row's values, e.g. `{first} {last}`: the member of a set, the value of a string. Values
/// stand as they are, so two rows may well have the same text. Immutable.
class ValueTemplate {
 public:
  [[nodiscard]] static Result<ValueTemplate> parse(std::string_view text);

 private:
  friend class RowText;
  std::vector<TemplatePart> parts_;
};

/// A value template made ready for the rows of one topic and table version. Immutable.
class RowText {
 public:
  /// A reject error when the table has no such column: it holds for each of its rows. `option` is named in
  /// it.
  [[nodiscard]] static Result<RowText> make(const ValueTemplate& value_template, std::string_view option,
                                            std::string_view topic, const TableSchema& schema);
  /// The columns of the table's key, joined by `:`.
  [[nodiscard]] static Result<RowText> of_key(std::string_view option, const TableSchema& schema);
  /// One column as it is.
  [[nodiscard]] static RowText of_column(std::uint16_t column, const TableSchema& schema);

  /// Appends the row's text. Nothing on success, else why there is none: a column was not sent, or holds an
  /// array with bad text. NULL is the empty text.
  [[nodiscard]] std::optional<std::string> append(std::string& out, const RowCells& cells) const;

  [[nodiscard]] std::span<const std::uint16_t> columns() const { return columns_; }

  /// True when `values_of` can tell the values of every text that has no empty ones.
  [[nodiscard]] bool is_reversible() const;
  /// The values that make `text`, one a column of `columns()`, as plain text. Nothing when it is none of the
  /// template's, when a value would be empty (it may be NULL), or when they cannot be told apart.
  [[nodiscard]] std::optional<std::vector<std::string>> values_of(std::string_view text) const;

 private:
  struct Part {
    TemplatePart made_of;
    std::uint16_t column = 0;
    CellType type = CellType::kText;
  };
  [[nodiscard]] static bool is_column(const Part& part) {
    return part.made_of.kind == TemplatePart::Kind::kColumn;
  }
  std::string option_;
  std::string table_;
  std::vector<Part> parts_;
  std::vector<std::uint16_t> columns_;
};

}  // namespace millrace::redis
