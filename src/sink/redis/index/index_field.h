#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace::redis {

/// A field of a search index.
struct IndexField {
  std::string identifier;  ///< JSON path, or a hash's field
  std::string attribute;   ///< its name in queries
  /// As FT.CREATE takes it, names in capitals and in the one order that Redis accepts: `TEXT`, `NOSTEM`,
  /// `SORTABLE`. A vector's count of arguments is there.
  std::vector<std::string> type;
  /// Where that is: names, from the document inwards; of a hash one. None: a JSONPath written as such.
  std::vector<std::string> path{};

  [[nodiscard]] bool has(std::string_view word) const;
  /// What follows `word` in the type; nothing when the word is not there.
  [[nodiscard]] std::optional<std::string> value(std::string_view word) const;

  friend bool operator==(const IndexField&, const IndexField&) = default;
};

/// `["price.number"]`: names as the JSONPath of an index.
[[nodiscard]] std::string index_path(const std::vector<std::string>& names);

/// `name` is a column, or for JSON a path of names joined by dots (attribute: joined by `_`), or a JSONPath
/// beginning with `$`, with ` as <attribute>` behind it where another name is wanted (it must be there behind
/// a JSONPath); `type` as FT.CREATE takes it, its arguments in any
/// order, a vector's count left out or right. A stop error names what is wrong and what was expected. Pure.
[[nodiscard]] Result<IndexField> parse_index_field(std::string_view name, std::string_view type,
                                                   bool on_json);

}  // namespace millrace::redis
