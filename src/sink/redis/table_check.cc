#include "sink/redis/table_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "base/text.h"
#include "sink/redis/lane.h"

namespace millrace::redis {
namespace {

using Level = Finding::Level;
using Path = std::vector<std::string>;

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

/// A field that an output writes, with the column it comes from.
struct Written {
  Path path;
  const ColumnSchema* column = nullptr;
  bool as_it_is = false;  ///< not what a function of target.fields makes of it
  bool named = true;      ///< by the table or target.fields; not made beside it for an index
  std::string table;
};

bool begins_with(const Path& path, const Path& start) {
  return start.size() <= path.size() && std::equal(start.begin(), start.end(), path.begin());
}

/// Members that lie in the column's own value.
bool holds_more(CellType type) {
  return type == CellType::kJson || type == CellType::kArray || type == CellType::kStruct;
}

/// Why an index field of that type finds nothing in the column; empty when it does.
std::string misfit(const IndexField& field, const ColumnSchema& column) {
  using Function = FieldForm::Function;
  const std::string& type = field.type.front();
  if (type == "NUMERIC") {
    const CellType of = column.type == CellType::kArray ? column.element_type : column.type;
    const bool is_number =
        of != CellType::kText && of != CellType::kUuid && of != CellType::kBytes && of != CellType::kStruct;
    return is_number ? "" : "NUMERIC takes numbers and times";
  }
  if (type == "GEO") return std::string(form_fault(Function::kGeo, column));
  if (type == "GEOSHAPE") return std::string(form_fault(Function::kWkt, column));
  if (type == "VECTOR") return std::string(form_fault(Function::kVector, column));
  return {};
}

class TableChecker {
 public:
  TableChecker(const Settings& settings, std::span<const ScanTable> tables)
      : settings_(settings), tables_(tables) {}

  std::vector<Finding> run() {
    for (const Output& output : settings_.outputs) look_at_output(output);
    for (const ScanTable& table : tables_) look_at_route(table);
    for (const IndexDefinition& index : settings_.indexes) look_at_index(index);
    return std::move(findings_);
  }

 private:
  void add(Level level, std::string subject, std::string message, std::string fix = {}) {
    findings_.push_back({level, std::move(subject), std::move(message), std::move(fix), true});
  }

  static std::string place(const Output& output, const ScanTable& table) {
    return (output.name.empty() ? "" : "output " + output.name + ", ") + "table " + table.name;
  }

  void look_at_output(const Output& output) {
    Lane lane(output);
    PlanCache& plans = lane.encoder().plans();
    for (const ScanTable& table : tables_) {
      if (table.schema == nullptr || !lane.takes_topic(table.topic)) continue;
      const std::size_t told = plans.warnings().size();
      const TablePlan& plan = plans.plan(table.topic, table.schema);
      for (std::size_t i = told; i < plans.warnings().size(); ++i)
        add(Level::kWarning, place(output, table), plans.warnings()[i]);
      if (plan.error.empty()) {
        look_at_old_rows(output, table, plan);
        note_fields(output, table);
      } else {
        add(Level::kError, place(output, table), "no row of it can be written: " + plan.error);
      }
    }
  }

  /// Topics that the settings name are told of without any table.
  void look_at_route(const ScanTable& table) {
    const bool named = std::ranges::find(settings_.topics.names, table.topic) != settings_.topics.names.end();
    const auto takes = [&](const Output& output) { return Lane(output).takes_topic(table.topic); };
    if (named || std::ranges::any_of(settings_.outputs, takes)) return;
    add(Level::kWarning, "topic " + table.topic, "no output takes it: its rows go nowhere",
        "name it in the topics of an output");
  }

  /// What an update or delete must tell of the row as it was, and does not.
  void look_at_old_rows(const Output& output, const ScanTable& table, const TablePlan& plan) {
    const TableSchema& schema = *plan.schema;
    if (schema.identity == RowIdentity::kFull) return;
    std::set<std::string> lacking;
    const auto need = [&](std::span<const std::uint16_t> columns) {
      for (const std::uint16_t column : columns) {
        if (std::ranges::find(schema.key_columns, column) == schema.key_columns.end())
          lacking.insert(schema.columns[column].name);
      }
    };
    need(plan.key->columns());
    if (plan.member) need(plan.member->columns());
    if (plan.nest) need(plan.nest->columns());
    if (lacking.empty()) return;
    const bool history = traits_of(output.target.type).is_history;
    const std::string what = history ? "deletes will be parked" : "updates and deletes will be parked";
    add(Level::kWarning, place(output, table),
        fmt::format("where a row lies is made of {}, which old rows do not have: {}",
                    fmt::join(lacking, ", "), what),
        fmt::format("ALTER TABLE {}.{} REPLICA IDENTITY FULL; or REPLICA IDENTITY USING INDEX one over all "
                    "these columns, unique and NOT NULL",
                    quoted(schema.schema), quoted(schema.table)));
  }

  void note_fields(const Output& output, const ScanTable& table) {
    Path missing;
    const auto fields = output.target.fields.resolve(*table.schema, missing);
    if (!fields) return;
    for (const FieldList::Field& field : *fields) {
      const bool made = field.latitude || (field.form != FieldForm() && !field.form.for_index);
      written_[output.name].push_back(
          {field.path, &table.schema->columns[field.column], !made, !field.form.for_index, table.name});
    }
  }

  void look_at_index(const IndexDefinition& index) {
    std::vector<Written> written;
    for (const std::string& output : index.outputs)
      std::ranges::copy(written_[output], std::back_inserter(written));
    if (written.empty()) return;  // no table goes there, or none can be written, which was told
    for (const IndexField& field : index.fields) {
      if (!field.path.empty()) look_at_field(index, field, written);
    }
  }

  void look_at_field(const IndexDefinition& index, const IndexField& field,
                     const std::vector<Written>& written) {
    const std::string subject = "index " + index.name;
    const std::string name = fmt::format("{}", fmt::join(field.path, "."));
    std::vector<std::string> names;
    bool given = is_nested(index, field.path.front());
    for (const Written& one : written) {
      if (one.named) names.push_back(fmt::format("{}", fmt::join(one.path, ".")));
      given = given || begins_with(one.path, field.path) ||
              (begins_with(field.path, one.path) && holds_more(one.column->type));
      const std::string why =
          one.path == field.path && one.as_it_is ? misfit(field, *one.column) : std::string();
      if (why.empty()) continue;
      add(Level::kWarning, subject,
          fmt::format("field {}: {}, and column {} of table {} is {}: documents with other values in it are "
                      "left out",
                      name, why, one.column->name, one.table, one.column->source_type),
          "index it as TEXT or TAG, or write what a function makes of it (target.fields)");
    }
    if (given) return;
    const std::vector<std::string_view> known(names.begin(), names.end());
    const std::string_view near = nearest_name(name, known);
    add(Level::kWarning, subject, "field " + name + ": nothing that is written has that name",
        near.empty() ? "name a column, or what target.fields calls it"
                     : "did you mean " + std::string(near) + "?");
  }

  /// Rows of other outputs lie there.
  [[nodiscard]] bool is_nested(const IndexDefinition& index, const std::string& name) const {
    return std::ranges::any_of(settings_.outputs, [&](const Output& output) {
      if (std::ranges::find(index.outputs, output.name) == index.outputs.end()) return false;
      return std::ranges::any_of(output.target.inside,
                                 [&](const NestTree& tree) { return nest_name(tree.name).box == name; });
    });
  }

  const Settings& settings_;
  std::span<const ScanTable> tables_;
  std::map<std::string, std::vector<Written>> written_;  ///< by output
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> check_tables(const Settings& settings, std::span<const ScanTable> tables) {
  return TableChecker(settings, tables).run();
}

}  // namespace millrace::redis
