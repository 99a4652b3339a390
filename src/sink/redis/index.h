#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sink/redis/resp.h"

namespace millrace::redis {

struct IndexField {
  std::string identifier;         ///< JSON path, or a hash's field
  std::string attribute;          ///< its name in queries
  std::vector<std::string> type;  ///< `NUMERIC`, `SORTABLE`

  friend bool operator==(const IndexField&, const IndexField&) = default;
};

/// A search index as the settings ask for it.
struct IndexDefinition {
  std::string name;
  std::string prefix;
  bool on_json = true;
  std::vector<IndexField> fields;
};

/// `name` is a column, or for JSON a path of names joined by dots (attribute: joined by `_`); `type` as
/// FT.CREATE takes it.
[[nodiscard]] Result<IndexField> parse_index_field(std::string_view name, std::string_view type,
                                                   bool on_json);

/// The FT.CREATE that makes it.
[[nodiscard]] std::vector<std::string> create_command(const IndexDefinition& index);
/// The same for people to copy.
[[nodiscard]] std::string create_text(const IndexDefinition& index);

/// What differs between the definition and the index that is there, by its FT.INFO: a sentence each, none
/// when they agree in kind of document, prefixes, and the fields with their types and SORTABLE, NOSTEM,
/// NOINDEX, CASESENSITIVE.
[[nodiscard]] std::vector<std::string> index_differences(const IndexDefinition& wanted, const Reply& info);

struct IndexHealth {
  std::int64_t failures = 0;        ///< documents left out since the index was made
  std::vector<std::string> fields;  ///< attributes that caused failures
};
[[nodiscard]] IndexHealth index_health(const Reply& info);

/// True when an error reply to FT.INFO says that there is no such index.
[[nodiscard]] bool is_unknown_index(std::string_view error);

}  // namespace millrace::redis
