#include "sink/redis/target/table_plan.h"

#include <algorithm>

#include "sink/redis/target/template_part.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kMaxColumnsSeen = 4096;
constexpr std::size_t kMaxKeysSeen = 64;
constexpr std::size_t kMaxWarnings = 64;

/// Members that are written by their path, not with a whole document.
Status check_names(const Target& target, const FieldList::Field& field) {
  if (target.type != TargetType::kJson || (!target.merge && field.path.size() == 1)) return {};
  const auto bad = std::find_if_not(field.path.begin(), field.path.end(), can_be_made);
  if (bad == field.path.end()) return {};
  return reject_error("a member called " + *bad +
                          " cannot be written by its path: RedisJSON takes no quotes, "
                          "backslashes or outer spaces there",
                      "give it another name in target.fields");
}

/// Where rows of others lie the row can have nothing of its own.
Status check_inside(const Target& target, const FieldList::Field& field, const TableSchema& schema) {
  for (const NestTree& tree : target.inside) {
    if (field.path.front() != nest_name(tree.name).box) continue;
    return reject_error("column " + schema.columns[field.column].name + " of table " + full_name(schema) +
                            " would be written as " + field.path.front() +
                            ", where rows of another output lie",
                        "give it another name in target.fields, or those another in target.nest");
  }
  return {};
}

/// An update that sends no old row may have changed a column outside the table's key.
void keep_within_key(TablePlan& plan, std::span<const std::uint16_t> columns) {
  const auto& own = plan.schema->key_columns;
  const auto is_own = [&own](std::uint16_t c) { return std::find(own.begin(), own.end(), c) != own.end(); };
  if (!std::all_of(columns.begin(), columns.end(), is_own)) plan.within_table_key = false;
}

/// As append_score takes it.
bool sorts(CellType type) {
  switch (type) {
    case CellType::kBool:
    case CellType::kInt64:
    case CellType::kUint64:
    case CellType::kFloat64:
    case CellType::kDecimal:
    case CellType::kDate:
    case CellType::kTime:
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      return true;
    default:
      return false;
  }
}

/// By what a field is remembered when its column has gone.
const std::string& known_as(const Target& target, const DocumentField& field) {
  return target.merge ? field.path : field.name;
}

bool tells_expiry(CellType type) {
  switch (type) {
    case CellType::kInt64:
    case CellType::kUint64:
    case CellType::kDate:
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool TablePlan::is_of_key(const DocumentField& field) const {
  return !field.latitude && std::ranges::count(key->columns(), field.column) > 0;
}

const TablePlan& PlanCache::plan(std::string_view topic, const TableSchemaPtr& schema) {
  auto& slot = plans_[{std::string(topic), schema.get()}];
  if (slot) return *slot;
  slot = std::make_unique<TablePlan>();
  slot->topic = topic;
  slot->schema = schema;
  if (const Status made = make(*slot); !made) {
    const Error& error = made.error();
    slot->error = error.message + (error.hint.empty() ? "" : "; " + error.hint);
  }
  return *slot;
}

Status PlanCache::make(TablePlan& plan) {
  plan.written.assign(plan.schema->columns.size(), false);
  MILLRACE_TRY(make_key(plan));
  MILLRACE_TRY(make_texts(plan));
  return make_document(plan);
}

Status PlanCache::make_key(TablePlan& plan) {
  auto key = RowKey::make(target_.key_template, plan.topic, *plan.schema);
  if (!key) return std::move(key).error();
  const auto owner = topic_of_pattern_.emplace(key->pattern(), plan.topic).first;
  if (owner->second != plan.topic) {
    return reject_error("topic " + plan.topic + " would share its keys with topic " + owner->second,
                        "put {topic} into target.key, or give one of them a sink of its own");
  }
  auto& keys = keys_[plan.topic];
  const auto same = [&key](const RowKey& other) { return key->same_keys(other); };
  if (keys.size() < kMaxKeysSeen && std::none_of(keys.begin(), keys.end(), same)) keys.push_back(*key);
  plan.within_table_key = key->within_table_key();
  plan.key.emplace(std::move(*key));
  return {};
}

/// What tells the row apart among those that share its key: of an array the member named in brackets.
Result<RowText> PlanCache::make_member(const TablePlan& plan) const {
  const TableSchema& schema = *plan.schema;
  const std::string_view id = target_.nest ? nest_name(target_.nest->names().back()).id : std::string_view();
  if (id.empty()) {
    return target_.member ? RowText::make(*target_.member, "target.member", plan.topic, schema)
                          : RowText::of_key("target.member", schema);
  }
  std::vector<std::string> missing;
  const auto fields = target_.fields.resolve(schema, missing);
  if (!fields) return fields.error();
  const auto is_id = [id](const FieldList::Field& field) {
    return field.path.size() == 1 && field.path.front() == id && field.form == FieldForm();
  };
  const auto field = std::ranges::find_if(*fields, is_id);
  if (field == fields->end()) {
    return reject_error("target.nest tells rows apart by a member " + std::string(id) +
                            ", which is not written of table " + full_name(schema),
                        "name in its brackets a column of target.fields");
  }
  return RowText::of_column(field->column, schema);
}

/// Members, values, and the columns of score and expiry.
Status PlanCache::make_texts(TablePlan& plan) {
  const TableSchema& schema = *plan.schema;
  if (traits_of(target_.type).has_members || target_.nest) {
    auto member = make_member(plan);
    if (!member) return std::move(member).error();
    keep_within_key(plan, member->columns());
    plan.member.emplace(std::move(*member));
  }
  if (target_.nest) {
    auto nest = RowNest::make(*target_.nest, plan.topic, schema, *plan.member);
    if (!nest) return std::move(nest).error();
    keep_within_key(plan, nest->columns());
    plan.nest.emplace(std::move(*nest));
  }
  if (target_.value) {
    auto value = RowText::make(*target_.value, "target.value", plan.topic, schema);
    if (!value) return std::move(value).error();
    for (const std::uint16_t column : value->columns()) plan.written[column] = true;
    plan.value.emplace(std::move(*value));
  }
  if (!target_.score.empty()) {
    plan.score = find_column(schema, target_.score);
    if (!plan.score) {
      const std::string near = near_column(schema, target_.score);
      return reject_error("target.score names a column " + target_.score + " that table " +
                              full_name(schema) + " has not got",
                          near.empty() ? "name a column of the table that holds numbers or times" : near);
    }
    if (!sorts(schema.columns[*plan.score].type)) {
      return reject_error("target.score names column " + target_.score + " of table " + full_name(schema) +
                              ", which is " + schema.columns[*plan.score].source_type +
                              " and no number to sort by",
                          "name a column of numbers or times");
    }
    plan.written[*plan.score] = true;
  }
  if (!target_.expiry.column.empty())
    plan.expiry = expiry_column(plan, "target.expire", target_.expiry.column);
  return {};
}

/// The column that says when something goes; none, with a warning: it cannot.
std::optional<std::uint16_t> PlanCache::expiry_column(TablePlan& plan, std::string_view option,
                                                      const std::string& column) {
  const TableSchema& schema = *plan.schema;
  const std::string of = std::string(option) + " names column " + column + " of table " + full_name(schema);
  const auto found = find_column(schema, column);
  if (!found) {
    const std::string near = near_column(schema, column);
    warn(of + ", which is not there: what it was to end stays" + (near.empty() ? "" : "; " + near));
    return std::nullopt;
  }
  if (!tells_expiry(schema.columns[*found].type)) {
    warn(of + ", which holds neither dates, timestamps nor integers: what it was to end stays");
    return std::nullopt;
  }
  plan.written[*found] = true;
  return found;
}

void PlanCache::make_field_ends(TablePlan& plan) {
  constexpr std::string_view kOption = "target.expire.fields";
  for (const FieldExpiry& one : target_.field_expiries) {
    FieldEnd end;
    end.seconds = one.expiry.seconds;
    if (!one.expiry.column.empty()) {
      end.column = expiry_column(plan, kOption, one.expiry.column);
      if (!end.column) continue;
    }
    bool any = false;
    for (const DocumentField& field : plan.document->fields()) {
      if (plan.schema->columns[field.column].name != one.field) continue;
      end.name = field.name;
      end.field_column = field.column;
      plan.field_ends.push_back(end);
      any = true;
    }
    if (!any) {
      warn(std::string(kOption) + " names column " + one.field + " of table " + full_name(*plan.schema) +
           ", which is not written");
    }
  }
}

Status PlanCache::make_document(TablePlan& plan) {
  if (plan.value || traits_of(target_.type).has_members) return {};
  std::vector<std::string> missing;
  auto fields = target_.fields.resolve(*plan.schema, missing);
  if (!fields) return std::move(fields).error();
  for (const std::string& name : missing) {
    const std::string near = near_column(*plan.schema, name);
    warn("target.fields names a column " + name + " that table " + full_name(*plan.schema) +
         " has not got: it is left out" + (near.empty() ? "" : "; " + near));
  }
  for (const FieldList::Field& field : *fields) {
    MILLRACE_TRY(check_names(target_, field));
    MILLRACE_TRY(check_inside(target_, field, *plan.schema));
  }
  plan.document.emplace(plan.schema, target_.json, target_.fields, *fields);
  std::vector<std::string> names;
  for (const DocumentField& field : plan.document->fields()) {
    plan.written[field.column] = true;
    if (field.latitude) plan.written[*field.latitude] = true;
    names.push_back(known_as(target_, field));
  }
  if (!target_.keeps_columns()) return {};
  if (target_.type == TargetType::kHash) make_field_ends(plan);
  const std::vector<std::string>& seen = add_columns(plan.topic, names).names;
  // An earlier version may come again: a column that came and went leaves the table as it was before.
  for (const auto& [known_as, one] : plans_) {
    if (one && one->topic == plan.topic && one->document) note_dropped(*one, seen);
  }
  return {};
}

void PlanCache::note_dropped(TablePlan& plan, const std::vector<std::string>& seen) const {
  plan.dropped.clear();
  for (const std::string& name : seen) {
    const auto is_name = [&](const DocumentField& field) { return known_as(target_, field) == name; };
    if (std::ranges::none_of(plan.document->fields(), is_name)) plan.dropped.push_back(name);
  }
}

void PlanCache::warn(std::string sentence) {
  if (warnings_.size() >= kMaxWarnings) return;
  if (std::find(warnings_.begin(), warnings_.end(), sentence) == warnings_.end())
    warnings_.push_back(std::move(sentence));
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
