#include "sink/redis/table_plan.h"

#include <algorithm>

#include "format/json_writer.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kMaxColumnsSeen = 4096;
constexpr std::size_t kMaxKeysSeen = 64;

/// Path of a document's member for JSON.GET; quotes and backslashes in names are escaped as in JSON.
std::string member_path(std::string_view name) {
  std::string path = "$[";
  append_json_name(path, name);
  path += ']';
  return path;
}

}  // namespace

const TablePlan& PlanCache::plan(std::string_view topic, const TableSchemaPtr& schema) {
  auto& slot = plans_[{std::string(topic), schema.get()}];
  if (slot) return *slot;
  slot = std::make_unique<TablePlan>();
  TablePlan& plan = *slot;
  plan.topic = topic;
  plan.schema = schema;
  auto key = RowKey::make(key_template_, topic, *schema);
  if (!key) {
    plan.error = key.error().message + "; " + key.error().hint;
    return plan;
  }
  const auto owner = topic_of_pattern_.emplace(key->pattern(), topic).first;
  if (owner->second != topic) {
    plan.error = "topic " + plan.topic + " would share its keys with topic " + owner->second +
                 "; put {topic} into target.key, or give one of them a sink of its own";
    return plan;
  }
  auto& keys = keys_[plan.topic];
  const auto same = [&key](const RowKey& other) { return key->same_keys(other); };
  if (keys.size() < kMaxKeysSeen && std::none_of(keys.begin(), keys.end(), same)) keys.push_back(*key);
  plan.key.emplace(std::move(*key));
  plan.json.emplace(schema, json_);
  auto& seen = columns_seen_[plan.topic];
  for (const std::string& name : seen) {
    if (!find_column(*schema, name)) plan.dropped.push_back(name);
  }
  for (const ColumnSchema& column : schema->columns) {
    plan.path.push_back(member_path(column.name));
    if (target_ == TargetType::kHash && seen.size() < kMaxColumnsSeen &&
        std::find(seen.begin(), seen.end(), column.name) == seen.end()) {
      seen.push_back(column.name);
    }
  }
  return plan;
}

std::span<const RowKey> PlanCache::keys_of(std::string_view topic) const {
  const auto found = keys_.find(topic);
  return found == keys_.end() ? std::span<const RowKey>() : found->second;
}

}  // namespace millrace::redis
