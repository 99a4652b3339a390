#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "format/row_json.h"
#include "sink/redis/target/field_list.h"
#include "sink/redis/target/row_cells.h"

namespace millrace::redis {

/// A column, or what is made of it, as it stands in a document or hash.
struct DocumentField {
  std::uint16_t column = 0;
  FieldForm form;
  std::optional<std::uint16_t> latitude;  ///< the second column of a place
  std::string name;                       ///< hash field, or the last name of the path
  std::string path;                       ///< in JSON: `$["place"]["lat"]`
  std::string prefix;                     ///< `,"lat":`
  bool nested = false;                    ///< lies in an object of the document
};

/// `["name"]`: a name as the end of a JSON path, as RedisJSON reads it: only \ and " are escaped.
[[nodiscard]] std::string path_end(std::string_view name);
/// Whether RedisJSON makes a member of that name when a path says it: it trims names, and leaves escapes in
/// them.
[[nodiscard]] bool can_be_made(std::string_view name);

/// How the rows of one table version become JSON documents: fields in order, those of one object together.
/// Immutable.
class DocumentLayout {
 public:
  DocumentLayout(TableSchemaPtr schema, const JsonOptions& options, const FieldList& list,
                 std::span<const FieldList::Field> fields);

  /// What a row has for a field.
  enum class Presence : std::uint8_t {
    kValue,
    kNull,    ///< or a value that has no such form
    kKept,    ///< not sent, as the change left it alone
    kAbsent,  ///< not sent
  };
  [[nodiscard]] Presence presence(const DocumentField& field, const RowCells& cells) const;
  /// Appends `{...}` with a member for each field whose value was sent; objects are there even when they are
  /// empty. A reject error names the column whose text is not UTF-8; `out` is then as before.
  [[nodiscard]] Status append(std::string& out, const RowCells& cells) const;
  /// Appends one value as JSON, or as plain text (of kNull nothing). Error as above.
  [[nodiscard]] Status append_value(std::string& out, const DocumentField& field,
                                    const RowCells& cells) const;
  [[nodiscard]] Status append_text(std::string& out, const DocumentField& field, const RowCells& cells) const;
  /// Appends the document's objects without any value: `{"place":{}}`.
  void append_objects(std::string& out) const;

  [[nodiscard]] std::span<const DocumentField> fields() const { return fields_; }
  [[nodiscard]] bool has_objects() const { return has_objects_; }

 private:
  struct Step {
    enum class Kind : std::uint8_t { kField, kOpen, kClose };
    Kind kind = Kind::kField;
    std::size_t field = 0;  // of kField: index into fields_
    std::string prefix;     // of kOpen: `,"place":{`
  };
  void add_steps(std::span<const FieldList::Field> fields, const std::vector<std::size_t>& which,
                 std::size_t depth);

  [[nodiscard]] bool append_made(std::string& out, const DocumentField& field, const RowCells& cells) const;

  RowJsonWriter writer_;
  JsonOptions options_;
  std::vector<DocumentField> fields_;
  std::vector<Step> steps_;
  bool whole_;
  bool has_objects_ = false;
};

}  // namespace millrace::redis
