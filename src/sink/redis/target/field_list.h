#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/schema.h"
#include "sink/redis/target/field_form.h"

namespace millrace::redis {

/// Which columns of a row are written, and where in the document: the items of `target.fields`. `*` stands
/// for all columns that no other item names, `column` for one, `column as name` for one under another name,
/// `column as place.name` for one in an object of its own, `-column` leaves one out. `function(column) as
/// name` writes what a function makes of a column; it names the column only when it stands in its place
/// (without `as`). Names with dots, spaces, brackets or a leading - are written in double quotes. Without
/// items: all columns. A value.
class FieldList {
 public:
  /// Every column, as it is.
  FieldList() = default;
  /// The error names the item and what is wrong with it. `nested`: names with dots are paths, else they are
  /// names.
  [[nodiscard]] static Result<FieldList> parse(const std::vector<std::string>& items, bool nested);

  struct Field {
    std::uint16_t column = 0;
    std::vector<std::string> path{};  ///< one name; more: in objects
    FieldForm form{};
    std::optional<std::uint16_t> latitude{};  ///< the second column of `geo(lon, lat)`
  };
  /// The fields of a table version in the order of the items, `*` in the order of the columns. An item whose
  /// column the table has not got gives no field and is named in `missing`. A reject error when two fields
  /// would be in each other's way, or a function does not take its column.
  [[nodiscard]] Result<std::vector<Field>> resolve(const TableSchema& schema,
                                                   std::vector<std::string>& missing) const;
  /// Every column under its own name, as it is, and nothing beside them.
  [[nodiscard]] bool is_whole() const { return items_.empty() && index_forms_.empty(); }

  /// A form in which a search index wants the field at `path`: beside it under a name with `suffix` behind
  /// it, or in its place when that is empty. What `target.fields` has made of the column stays so there.
  struct IndexForm {
    std::vector<std::string> path;
    FieldForm form;
    std::string suffix;

    friend bool operator==(const IndexForm&, const IndexForm&) = default;
  };
  /// False: the field has another form in its place already.
  [[nodiscard]] bool add(const IndexForm& form);
  [[nodiscard]] std::span<const IndexForm> index_forms() const { return index_forms_; }
  /// The items may put a column there; with `made` what a function made of one, and that for certain.
  [[nodiscard]] bool may_have(const std::vector<std::string>& path, bool made) const;

 private:
  struct Item {
    enum class Kind : std::uint8_t { kAll, kColumn, kWithout };
    Kind kind = Kind::kColumn;
    std::string column;
    std::string latitude{};
    std::vector<std::string> path{};
    FieldForm form{};
  };
  static Status parse_source(std::string_view text, std::string_view& rest, Item& item);
  static Status parse_path(std::string_view text, std::string_view rest, bool nested, Item& item);
  [[nodiscard]] bool names(const std::string& column) const;
  static Result<Item> parse_item(std::string_view text, bool nested);
  void add_index_forms(const TableSchema& schema, std::vector<Field>& fields) const;
  std::vector<Item> items_;
  std::vector<IndexForm> index_forms_;
};

}  // namespace millrace::redis
