#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "format/row_json.h"
#include "sink/redis/target/field_list.h"
#include "sink/redis/target/key_template.h"
#include "sink/redis/target/nest.h"
#include "sink/redis/target/value_template.h"

namespace millrace::redis {

enum class TargetType : std::uint8_t { kJson, kHash, kString, kSet, kSortedSet, kStream };

/// What a row becomes under a target type.
struct TargetTraits {
  std::string_view name;        ///< of the setting, e.g. `sorted_set`
  std::string_view redis_type;  ///< what TYPE answers for its keys
  bool has_fields = false;      ///< columns stand apart: values that were not sent can be kept
  bool has_members = false;     ///< a row is a member of a key that many share
  bool is_history = false;      ///< every change is added; nothing is ever removed
};
[[nodiscard]] const TargetTraits& traits_of(TargetType type);
/// The type of that name; there must be one.
[[nodiscard]] TargetType target_type_of(std::string_view name);

/// When keys go by themselves.
struct Expiry {
  std::int64_t seconds = 0;  ///< after the last write of the row; 0: not so
  std::string column;        ///< or when this column says: a timestamp, or a number of seconds
};

/// When a field of a hash goes by itself: that of `field`, a column.
struct FieldExpiry {
  std::string field;
  Expiry expiry;
};

/// Each key is written with a version, and never over a later one.
struct Guard {
  std::int64_t epoch = 0;              ///< raised when a source begins anew with earlier positions
  std::int64_t keep_seconds = 86'400;  ///< for so long after the key has gone
};

/// How the rows of some topics stand in Redis. A value.
struct Target {
  KeyTemplate key_template;
  TargetType type = TargetType::kJson;
  JsonOptions json;
  std::optional<ValueTemplate> member;  ///< of a set or sorted set; none: the columns of the table's key
  std::optional<ValueTemplate> value;   ///< of a string; none: the row as a JSON document
  std::string score;                    ///< column, of a sorted set
  FieldList fields;
  bool merge = false;  ///< what else a document has is left there
  Expiry expiry;
  std::vector<FieldExpiry> field_expiries;  ///< of a hash
  std::optional<Guard> guard;
  std::int64_t max_length = 0;  ///< of a stream; 0: no bound
  std::optional<NestPath>
      nest;  ///< the rows lie in the documents of another table, which `key_template` names
  std::vector<NestTree> inside;  ///< where rows of other tables lie in what this writes
  std::string waiting_prefix;    ///< of the hashes of rows whose parent is not there, when rows nest
  bool in_cluster = false;       ///< keys that belong together must be in one slot, and have one each

  /// The hash of the rows that wait for the document at `key`; in a cluster in the same slot.
  [[nodiscard]] std::string waiting_key(std::string_view key) const;
  [[nodiscard]] bool nests() const { return nest || !inside.empty(); }
  /// What earlier versions of a table wrote must be known, to be removed among what is of others.
  [[nodiscard]] bool keeps_columns() const { return type == TargetType::kHash || merge; }
  /// Values that were not sent can be kept when a row's key changes.
  [[nodiscard]] bool can_move() const {
    return traits_of(type).has_fields && !nests() && !guard && !(merge && in_cluster);
  }
};

}  // namespace millrace::redis
