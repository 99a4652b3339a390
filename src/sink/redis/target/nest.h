#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sink/redis/target/row_cells.h"
#include "sink/redis/target/value_template.h"

namespace millrace::redis {

/// What rows of other tables lie in: `lines`, an object in which each has a name; or `lines[line_no]`, an
/// array in which their member `line_no` tells them apart.
struct NestName {
  std::string_view box;  ///< `lines`
  std::string_view id;   ///< `line_no`; empty: of an object
};
[[nodiscard]] NestName nest_name(std::string_view text);
/// The same as the part of a path that a row's name follows: `["lines"]`, or `["lines"][?(@["line_no"]==`,
/// then the name is a JSON number or text.
[[nodiscard]] std::string nest_part(std::string_view text);

/// The objects and arrays of a document in which rows of other tables lie, by their names, each with those
/// inside the rows of it.
struct NestTree {
  std::string name;
  std::vector<NestTree> inside;
};
/// `{"[\"lines\"]":{"[\"allocations\"]":{}}}`: each as its nest_part.
[[nodiscard]] std::string nest_tree_json(const std::vector<NestTree>& trees);

/// `target.nest`: the object of a parent's document in which the rows lie, `lines`; or of one that lies there
/// itself, `lines.{line_no}.allocations`. Immutable.
class NestPath {
 public:
  /// Names at the odd places, columns between them; the error says what is wrong.
  [[nodiscard]] static Result<NestPath> parse(std::string_view text);

  /// `lines`, `allocations[no]`: from the document inwards; one at least.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  friend class RowNest;
  std::vector<std::string> names_;
  std::vector<ValueTemplate> between_;
};

/// A nest path made ready for the rows of one topic and table version. Immutable.
class RowNest {
 public:
  /// A reject error when the table has no such column.
  /// `member`: what makes the rows' own names.
  [[nodiscard]] static Result<RowNest> make(const NestPath& path, std::string_view topic,
                                            const TableSchema& schema, const RowText& member);
  /// Appends the path of the parent, a zero byte, the part in it, another zero byte, and the row's name
  /// there, of which `member` is the text: `$["lines"]["7"]`, `["allocations"]`, `3`. Nothing on success,
  /// else why there is none.
  [[nodiscard]] std::optional<std::string> append(std::string& out, const RowText& member,
                                                  const RowCells& cells) const;
  [[nodiscard]] std::span<const std::uint16_t> columns() const { return columns_; }

  /// A row in a document.
  struct Found {
    std::string member;               ///< as of an overlay's entry
    std::vector<std::string> values;  ///< of `columns()`, then of the member's own
  };
  /// The rows of this path in a document, whose own names `member` makes; those whose values cannot be told
  /// are left out. None in arrays.
  [[nodiscard]] std::vector<Found> find(std::string_view document, const RowText& member) const;
  /// The values that make a place (the member of an overlay's entry), as those of Found. Nothing when it is
  /// none of this path's, or they cannot be told.
  [[nodiscard]] std::optional<std::vector<std::string>> values_of(std::string_view place,
                                                                  const RowText& member) const;
  [[nodiscard]] bool is_reversible() const;

 private:
  /// `object`: the document or row that the path's name at `level` lies in; `at`: its path and the values so
  /// far.
  void find_inside(std::size_t level, std::string_view object, const Found& at, const RowText& member,
                   std::vector<Found>& out) const;

  /// How a row's name is written.
  enum class Form : std::uint8_t { kName, kNumber, kText };
  struct Level {
    std::string box;          // `lines`
    std::string part;         // nest_part
    Form form = Form::kName;  // of the names of its rows
  };
  static Result<Form> form_of(const Level& level, std::span<const std::uint16_t> columns,
                              const TableSchema& schema);
  static std::optional<std::string> append_name(std::string& out, const Level& level, const RowText& text,
                                                const RowCells& cells);

  std::vector<Level> levels_;
  std::vector<RowText> between_;
  std::vector<std::uint16_t> columns_;
};

/// The member of an overlay's entry in its parts: path of the parent, part in it, name there.
struct NestPlace {
  std::string_view parent;
  std::string_view part;
  std::string_view name;

  /// Of the row.
  [[nodiscard]] std::string path() const;
};
[[nodiscard]] NestPlace nest_place(std::string_view member);

}  // namespace millrace::redis
