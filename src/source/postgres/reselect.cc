#include "source/postgres/reselect.h"

#include <algorithm>
#include <utility>

namespace millrace::postgres {
namespace {

constexpr std::size_t kRowsAtOnce = 500;
constexpr std::int64_t kRefusedForUs = 60'000'000;
constexpr std::string_view kNoSuchOperator = "42883";

std::string joined(std::span<const std::string> key) {
  std::string out;
  for (const std::string& part : key) out += part + '\0';
  return out;
}

}  // namespace

std::string reselect_sql(const TableSchema& schema, std::span<const std::uint16_t> columns,
                         std::span<const UnsentRow* const> rows, bool by_text) {
  std::string names;
  std::string keys;
  for (const std::uint16_t column : schema.key_columns) {
    const std::string name = quote_identifier(schema.columns[column].name);
    names += name + ", ";
    keys += (keys.empty() ? "" : ", ") + name + (by_text ? "::text COLLATE \"C\"" : "");
  }
  for (const std::uint16_t column : columns) names += quote_identifier(schema.columns[column].name) + ", ";
  names.resize(names.size() - 2);
  std::string sql = "SELECT " + names + " FROM " + quote_identifier(schema.schema) + "." +
                    quote_identifier(schema.table) + " WHERE (" + keys + ") IN (";
  for (const UnsentRow* row : rows) {
    sql += row == rows.front() ? "(" : ", (";
    for (std::size_t i = 0; i < row->key.size(); ++i)
      sql += (i == 0 ? "" : ", ") + quote_literal(row->key[i]);
    sql += ')';
  }
  return sql + ")";
}

Status Reselector::fill_in(std::span<const UnsentRow> rows, BatchBuilder& out) {
  for (const Group& group : group(rows)) {
    for (std::span<const UnsentRow* const> rest = group.rows; !rest.empty();) {
      const std::size_t count = std::min(rest.size(), kRowsAtOnce);
      MILLRACE_TRY(read(group, rest.first(count), out));
      rest = rest.subspan(count);
    }
  }
  return {};
}

bool Reselector::takes(const Table& table, std::uint16_t column) {
  const auto [known, added] = taken_.try_emplace({table.schema, column}, false);
  if (added) {
    known->second = settings_.reselect.takes(table.schema->schema + "." + table.schema->table + ":" +
                                             table.schema->columns[column].name);
  }
  return known->second;
}

std::vector<Reselector::Group> Reselector::group(std::span<const UnsentRow> rows) {
  std::vector<Group> out;
  for (const UnsentRow& row : rows) {
    std::vector<std::uint16_t> columns;
    std::ranges::copy_if(row.columns, std::back_inserter(columns),
                         [&](std::uint16_t column) { return takes(*row.table, column); });
    if (columns.empty() || row.key.empty() || is_refused(*row.table)) continue;
    auto found = std::ranges::find_if(
        out, [&](const Group& one) { return one.table == row.table.get() && one.columns == columns; });
    if (found == out.end()) found = out.insert(out.end(), {row.table.get(), std::move(columns), {}});
    found->rows.push_back(&row);
  }
  return out;
}

bool Reselector::is_refused(const Table& table) const {
  if (refused_until_us_.empty()) return false;
  const auto found = refused_until_us_.find(full_name(*table.schema));
  return found != refused_until_us_.end() && context_.clock.now_us() < found->second;
}

Result<QueryRows> Reselector::query(const Group& group, std::span<const UnsentRow* const> rows) {
  if (!connection_) {
    auto opened =
        Connection::open(settings_.connection, Connection::Kind::kNormal, context_.clock, context_.stop);
    if (!opened) return std::move(opened).error();
    connection_ = std::move(*opened);
  }
  const TableSchema& schema = *group.table->schema;
  const std::string what = "reading unchanged values of " + schema.schema + "." + schema.table;
  auto found = connection_->query(what, reselect_sql(schema, group.columns, rows, false));
  if (found || connection_->refused_with() != kNoSuchOperator) return found;
  return connection_->query(what, reselect_sql(schema, group.columns, rows, true));
}

Status Reselector::read(const Group& group, std::span<const UnsentRow* const> rows, BatchBuilder& out) {
  const auto found = query(group, rows);
  if (!found) return refused(*group.table, found.error());
  const std::size_t key_size = group.table->schema->key_columns.size();
  std::map<std::string, const QueryRow*> by_key;
  for (const QueryRow& row : *found) {
    std::string key;
    for (std::size_t i = 0; i < key_size; ++i) key += row[i].value_or("") + '\0';
    by_key.emplace(std::move(key), &row);
  }
  for (const UnsentRow* row : rows) {
    const auto at = by_key.find(joined(row->key));
    if (at == by_key.end()) continue;
    for (std::size_t i = 0; i < group.columns.size(); ++i) {
      const std::uint16_t column = group.columns[i];
      const std::optional<std::string>& text = (*at->second)[key_size + i];
      // Decoding may add cells, so the cell is asked for behind it.
      const Cell cell = text ? values_.decode(group.table->formats[column], *text, out)
                             : BatchBuilder::put_mark(CellType::kNull);
      out.cell(row->first_cell + column) = cell;
    }
  }
  return {};
}

/// What the server refuses it refuses again: the next try is a minute later. A connection that is gone, or
/// was ended with a last word, is the source's matter.
Status Reselector::refused(const Table& table, const Error& error) {
  const bool by_server =
      connection_ && !connection_->refused_with().empty() && error.next != Next::kReconnect;
  if (!by_server || settings_.reselect_must_succeed) return error;
  const std::string name = full_name(*table.schema);
  const auto [at, first] = refused_until_us_.try_emplace(name);
  at->second = context_.clock.now_us() + kRefusedForUs;
  if (first) {
    context_.logger.warn("unchanged values cannot be read from their table",
                         {{"connector", settings_.connector},
                          {"table", std::string_view(name)},
                          {"error", std::string_view(error.message)}});
  }
  connection_.reset();  // so that what it was refused last is of the next try
  return {};
}

}  // namespace millrace::postgres
