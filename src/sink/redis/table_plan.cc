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
  for (const ColumnSchema& column : schema->columns) plan.path.push_back(member_path(column.name));
  if (target_ != TargetType::kHash) return plan;
  std::vector<std::string> names;
  for (const ColumnSchema& column : schema->columns) names.push_back(column.name);
  for (const std::string& name : add_columns(topic, names).names) {
    if (!find_column(*schema, name)) plan.dropped.push_back(name);
  }
  return plan;
}

PlanCache::Columns& PlanCache::add_columns(std::string_view topic, const std::vector<std::string>& names) {
  Columns& seen = columns_seen_[std::string(topic)];
  for (const std::string& name : names) {
    if (seen.names.size() >= kMaxColumnsSeen) break;
    if (std::find(seen.names.begin(), seen.names.end(), name) != seen.names.end()) continue;
    seen.names.push_back(name);
    seen.taken = false;
  }
  return seen;
}

void PlanCache::know_columns(std::string_view topic, const std::vector<std::string>& names) {
  add_columns(topic, names);
  clear();
}

std::vector<std::pair<std::string, std::vector<std::string>>> PlanCache::take_new_columns() {
  std::vector<std::pair<std::string, std::vector<std::string>>> out;
  for (auto& [topic, columns] : columns_seen_) {
    if (!std::exchange(columns.taken, true)) out.emplace_back(topic, columns.names);
  }
  return out;
}

void PlanCache::repeat_columns() {
  for (auto& [topic, columns] : columns_seen_) columns.taken = false;
}

std::span<const RowKey> PlanCache::keys_of(std::string_view topic) const {
  const auto found = keys_.find(topic);
  return found == keys_.end() ? std::span<const RowKey>() : found->second;
}

}  // namespace millrace::redis
