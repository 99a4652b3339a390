#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sink/redis/client/resp.h"
#include "sink/redis/index/index.h"

namespace millrace::redis {

/// What FT.INFO answers. Pure.

/// What differs between the definition and the index that is there: a sentence each, none when they agree in
/// all that FT.INFO shows. It does not show PHONETIC, EF_RUNTIME, EPSILON, INITIAL_CAP, BLOCK_SIZE.
[[nodiscard]] std::vector<std::string> index_differences(const IndexDefinition& wanted, const Reply& info);

/// Documents that one field leaves out.
struct FieldFailures {
  std::string field;  ///< attribute; empty: Redis does not say which
  std::int64_t count = 0;
  std::string key;    ///< of the last one; for the operator, never for the log
  std::string error;  ///< of the last one, what stands in quotes taken out: it is a cell's value
};

struct IndexHealth {
  std::string name;  ///< the index itself
  std::int64_t documents = 0;
  bool indexing = false;      ///< documents that were there before it are still being read
  double share = 1;           ///< of them that has been read
  std::int64_t failures = 0;  ///< documents left out since the index was made
  std::vector<FieldFailures> fields;
};
[[nodiscard]] IndexHealth index_health(const Reply& info);

/// Name of the index itself when asked by an alias; empty for an error.
[[nodiscard]] std::string name_in(const Reply& info);

/// True when an error reply to FT.INFO says that there is no such index.
[[nodiscard]] bool is_unknown_index(std::string_view error);

}  // namespace millrace::redis
