#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sink/redis/index/index_field.h"

namespace millrace::redis {

/// A search index as the settings ask for it.
struct IndexDefinition {
  std::string name;                   ///< what people query: an alias of the index itself
  std::vector<std::string> prefixes;  ///< one at least
  bool on_json = true;
  std::vector<IndexField> fields;
  std::string filter;
  std::string language;
  std::string language_field;  ///< JSON path, or a hash's field; here and below
  std::string score;
  std::string score_field;
  bool has_stopwords = false;
  std::vector<std::string> stopwords;  ///< none, with `has_stopwords`: every word is indexed
  std::vector<std::string> options;    ///< NOOFFSETS and such, in capitals

  // What can change without a new index.
  std::vector<std::string> outputs;  ///< that write what is indexed
  std::vector<std::string> aliases;  ///< further ones, moved together with the name
  bool adopt = false;                ///< an index that the sink has not made may be replaced
};

/// What the index itself is called: the name, `@`, and eight hex digits that change with what FT.CREATE is
/// told, but not with the order of the fields.
[[nodiscard]] std::string own_name(const IndexDefinition& index);

/// The FT.CREATE that makes it, under its own name.
[[nodiscard]] std::vector<std::string> create_command(const IndexDefinition& index);
/// The same for people to copy.
[[nodiscard]] std::string create_text(const IndexDefinition& index);

}  // namespace millrace::redis
