#include "sink/redis/target/value_template.h"

#include <algorithm>
#include <utility>

namespace millrace::redis {

Result<ValueTemplate> ValueTemplate::parse(std::string_view text) {
  auto parts = parse_template(text);
  if (!parts) return std::move(parts).error();
  ValueTemplate out;
  out.parts_ = std::move(*parts);
  return out;
}

Result<RowText> RowText::make(const ValueTemplate& value_template, std::string_view option,
                              std::string_view topic, const TableSchema& schema) {
  using Kind = TemplatePart::Kind;
  RowText out;
  out.option_ = option;
  out.table_ = full_name(schema);
  for (const TemplatePart& part : value_template.parts_) {
    Part made{part};
    if (part.kind == Kind::kTopic) made.made_of = {Kind::kText, std::string(topic)};
    if (part.kind == Kind::kTable) made.made_of = {Kind::kText, schema.table};
    if (part.kind == Kind::kSchema) made.made_of = {Kind::kText, schema.schema};
    if (part.kind == Kind::kColumn) {
      const auto column = find_column(schema, part.text);
      if (!column) {
        const std::string near = near_column(schema, part.text);
        return reject_error(
            out.option_ + " names a column " + part.text + " that table " + out.table_ + " has not got",
            near.empty() ? "name columns of the table" : near);
      }
      if (const auto fault = part_fault(part, schema.columns[*column]); !fault.empty()) {
        return reject_error(out.option_ + ": " + std::string(fault) + ", and " + part.text + " of table " +
                                out.table_ + " is none",
                            "name another column");
      }
      made.column = *column;
      made.type = schema.columns[*column].type;
      out.columns_.push_back(*column);
    }
    out.parts_.push_back(std::move(made));
  }
  return out;
}

Result<RowText> RowText::of_key(std::string_view option, const TableSchema& schema) {
  RowText out;
  out.option_ = option;
  out.table_ = full_name(schema);
  if (schema.key_columns.empty()) {
    return reject_error("table " + out.table_ + " has no primary key to make " + out.option_ + " of",
                        "set " + out.option_ + " to what tells its rows apart");
  }
  for (const std::uint16_t column : schema.key_columns) {
    if (!out.parts_.empty()) out.parts_.push_back({{TemplatePart::Kind::kText, ":"}});
    out.parts_.push_back(
        {{TemplatePart::Kind::kColumn, schema.columns[column].name}, column, schema.columns[column].type});
    out.columns_.push_back(column);
  }
  return out;
}

RowText RowText::of_column(std::uint16_t column, const TableSchema& schema) {
  RowText out;
  const ColumnSchema& made_of = schema.columns[column];
  out.option_ = "target.nest";
  out.table_ = full_name(schema);
  out.parts_.push_back({{TemplatePart::Kind::kColumn, made_of.name}, column, made_of.type});
  out.columns_.push_back(column);
  return out;
}

std::optional<std::string> RowText::append(std::string& out, const RowCells& cells) const {
  const std::size_t start = out.size();
  for (const Part& part : parts_) {
    if (part.made_of.kind != TemplatePart::Kind::kColumn) {
      out += part.made_of.text;
      continue;
    }
    const Cell& cell = cells[part.column];
    if (cell.type == CellType::kNull) continue;
    const bool sent = has_value(cell);
    if (sent && append_part(out, part.made_of, cells.batch(part.column), cell)) continue;
    out.resize(start);
    return "column " + part.made_of.text + " of " + table_ + " is part of " + option_ +
           (sent ? " and holds an array with bad text" : " and was not sent with this change");
  }
  return std::nullopt;
}

bool RowText::is_reversible() const {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    if (part.made_of.kind != TemplatePart::Kind::kColumn) continue;
    if (!part.made_of.is_one_to_one()) return false;
    const auto later =
        std::ranges::find_if(parts_.begin() + static_cast<std::ptrdiff_t>(i) + 1, parts_.end(), is_column);
    if (later == parts_.end()) continue;
    // The text behind it must be one that no value can go on with.
    const std::string& next = parts_[i + 1].made_of.text;
    if (is_column(parts_[i + 1]) || next.empty() || may_be_value(part.type, "0" + next.substr(0, 1)))
      return false;
  }
  return true;
}

std::optional<std::vector<std::string>> RowText::values_of(std::string_view text) const {
  if (!is_reversible()) return std::nullopt;
  std::vector<std::string> out;
  std::size_t end = parts_.size();  // of those that are left; text at the end is behind the last value
  for (; end > 0 && !is_column(parts_[end - 1]); --end) {
    if (!text.ends_with(parts_[end - 1].made_of.text)) return std::nullopt;
    text.remove_suffix(parts_[end - 1].made_of.text.size());
  }
  for (std::size_t i = 0; i < end; ++i) {
    const Part& part = parts_[i];
    if (!is_column(part)) {
      if (!text.starts_with(part.made_of.text)) return std::nullopt;
      text.remove_prefix(part.made_of.text.size());
      continue;
    }
    const std::string_view value =
        i + 1 == end ? text : text.substr(0, text.find(parts_[i + 1].made_of.text));
    if (value.empty() || !may_be_value(part.type, value)) return std::nullopt;
    out.emplace_back(value);
    text.remove_prefix(value.size());
  }
  return text.empty() ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace millrace::redis
