#include "sink/redis/entry_names.h"

#include <algorithm>
#include <utility>

#include "format/json_writer.h"
#include "sink/redis/target/document.h"

namespace millrace::redis {

bool is_of_one_row(const TablePlan& plan) {
  std::vector<std::uint16_t> told;
  const auto tell = [&told](std::span<const std::uint16_t> columns) {
    told.insert(told.end(), columns.begin(), columns.end());
  };
  if (plan.key->is_one_to_one()) tell(plan.key->columns());
  if (plan.member && plan.member->is_reversible()) tell(plan.member->columns());
  if (plan.nest && plan.nest->is_reversible()) tell(plan.nest->columns());
  return !plan.schema->key_columns.empty() &&
         std::ranges::all_of(plan.schema->key_columns,
                             [&told](std::uint16_t column) { return std::ranges::count(told, column) > 0; });
}

EntryNames::EntryNames(const Target& target, const TablePlan& plan)
    : schema_(plan.schema), key_(plan.key), member_(plan.member), nest_(plan.nest) {
  if (nest_) {
    box_ = nest_name(target.nest->names().front()).box;
    member_columns_.assign(nest_->columns().begin(), nest_->columns().end());
  }
  if (member_) {
    const auto columns = member_->columns();
    member_columns_.insert(member_columns_.end(), columns.begin(), columns.end());
  }
  if (!key_->is_one_to_one()) unfit_ = "target.key";
  if (member_ && !member_->is_reversible()) unfit_ = "target.member";
  if (nest_ && !nest_->is_reversible()) unfit_ = "target.nest";
}

/// False: a column is told twice, and not alike.
bool EntryNames::add(RowName& name, std::span<const std::uint16_t> columns,
                     std::span<const std::string> values) const {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::string& column = schema_->columns[columns[i]].name;
    const auto known = std::ranges::find(name, column, &RowName::value_type::first);
    if (known == name.end()) {
      name.emplace_back(column, values[i]);
    } else if (known->second != values[i]) {
      return false;
    }
  }
  return true;
}

std::optional<RowName> EntryNames::name_of(std::string_view key,
                                           const std::optional<std::vector<std::string>>& values) const {
  const auto of_key = key_->values_of(key);
  RowName name;
  if (!of_key || !values || !add(name, key_->columns(), *of_key) || !add(name, member_columns_, *values) ||
      name.empty())
    return std::nullopt;
  return name;
}

std::optional<RowName> EntryNames::of(std::string_view key, std::string_view member) const {
  if (!unfit_.empty()) return std::nullopt;
  if (nest_) return name_of(key, nest_->values_of(member, *member_));
  return name_of(key, member_ ? member_->values_of(member) : std::vector<std::string>());
}

std::string EntryNames::box_path() const { return "$" + path_end(box_); }

std::vector<EntryNames::Found> EntryNames::in_document(std::string_view key, std::string_view boxes) const {
  std::vector<Found> out;
  if (!unfit_.empty() || boxes.size() <= 2) return out;  // a list of the one that is there
  std::string document = "{";
  append_json_name(document, box_);
  document += ':';
  document += boxes.substr(1, boxes.size() - 2);
  document += '}';
  for (RowNest::Found& row : nest_->find(document, *member_)) {
    if (auto name = name_of(key, row.values)) out.push_back({std::move(row.member), std::move(*name)});
  }
  return out;
}

}  // namespace millrace::redis
