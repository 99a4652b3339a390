#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "event/batch.h"
#include "format/row_json.h"
#include "sink/redis/key_template.h"

namespace millrace::redis {

enum class TargetType : std::uint8_t { kJson, kHash };

/// All that is worked out once for the rows of one topic and table version. Immutable.
struct TablePlan {
  std::string topic;
  TableSchemaPtr schema;
  std::string error;          ///< not empty: no row of it can be written, and why
  std::optional<RowKey> key;  ///< unless there is an error
  std::optional<RowJsonWriter> json;
  std::vector<std::string> path;  ///< by column: `$["name"]`
  std::vector<std::string>
      dropped;  ///< hash fields that an earlier version of the table had and this one has not
};

/// Makes plans and keeps them. A plan lives until `clear`; one thread.
class PlanCache {
 public:
  PlanCache(const KeyTemplate& key_template, TargetType target, const JsonOptions& json)
      : key_template_(key_template), target_(target), json_(json) {}

  [[nodiscard]] const TablePlan& plan(std::string_view topic, const TableSchemaPtr& schema);
  /// How the keys of a topic are made under all versions of its table seen so far.
  [[nodiscard]] std::span<const RowKey> keys_of(std::string_view topic) const;
  /// Columns that a topic's hashes may have as fields, from before; forgets the plans made without them.
  void know_columns(std::string_view topic, const std::vector<std::string>& names);
  /// Topics with columns that have been seen since the last call, and the names of all columns of each.
  [[nodiscard]] std::vector<std::pair<std::string, std::vector<std::string>>> take_new_columns();
  /// The next call answers all topics: what was taken may be lost.
  void repeat_columns();
  [[nodiscard]] std::size_t size() const { return plans_.size(); }
  /// Forgets the plans, not which keys belong to which topic.
  void clear() { plans_.clear(); }

 private:
  const KeyTemplate& key_template_;
  TargetType target_;
  JsonOptions json_;
  std::map<std::pair<std::string, const TableSchema*>, std::unique_ptr<TablePlan>> plans_;
  std::map<std::string, std::string, std::less<>> topic_of_pattern_;
  std::map<std::string, std::vector<RowKey>, std::less<>> keys_;  // by topic
  struct Columns {
    std::vector<std::string> names;
    bool taken = false;  // by take_new_columns
  };
  Columns& add_columns(std::string_view topic, const std::vector<std::string>& names);
  std::map<std::string, Columns, std::less<>> columns_seen_;  // by topic; of hashes only
};

}  // namespace millrace::redis
