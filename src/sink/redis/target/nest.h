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

/// The objects of a document in which rows of other tables lie, by their names, each with those inside the
/// rows of it.
struct NestTree {
  std::string name;
  std::vector<NestTree> inside;
};
/// `{"[\"lines\"]":{"[\"allocations\"]":{}}}`: each name as the end of a JSON path.
[[nodiscard]] std::string nest_tree_json(const std::vector<NestTree>& trees);

/// `target.nest`: the object of a parent's document in which the rows lie, `lines`; or of one that lies there
/// itself, `lines.{line_no}.allocations`. Immutable.
class NestPath {
 public:
  /// Names at the odd places, columns between them; the error says what is wrong.
  [[nodiscard]] static Result<NestPath> parse(std::string_view text);

  /// `lines`, `allocations`: from the document inwards; one at least.
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
  [[nodiscard]] static Result<RowNest> make(const NestPath& path, std::string_view topic,
                                            const TableSchema& schema);
  /// Appends the path of the parent, a zero byte, and the end of the object's path, and another zero byte:
  /// `$["lines"]["7"]`, `["allocations"]`. Nothing on success, else why there is none.
  [[nodiscard]] std::optional<std::string> append(std::string& out, const RowCells& cells) const;
  [[nodiscard]] std::span<const std::uint16_t> columns() const { return columns_; }

  /// A row in a document.
  struct Found {
    std::string member;               ///< as of an overlay's entry
    std::vector<std::string> values;  ///< of `columns()`, then of the member's own
  };
  /// The rows of this path in a document, whose own names `member` makes; those whose values cannot be told
  /// are left out.
  [[nodiscard]] std::vector<Found> find(std::string_view document, const RowText& member) const;
  [[nodiscard]] bool is_reversible() const;

 private:
  /// `object`: the document or row that the path's name at `level` lies in; `at`: its path and the values so
  /// far.
  void find_inside(std::size_t level, std::string_view object, const Found& at, const RowText& member,
                   std::vector<Found>& out) const;

  std::vector<std::string> plain_names_;  // `lines`
  std::vector<std::string> names_;        // `["lines"]`
  std::vector<RowText> between_;
  std::vector<std::uint16_t> columns_;
};

/// The member of an overlay's entry in its parts: path of the parent, end of the object's path, name in it.
struct NestPlace {
  std::string_view parent;
  std::string_view part;
  std::string_view name;
};
[[nodiscard]] NestPlace nest_place(std::string_view member);

}  // namespace millrace::redis
