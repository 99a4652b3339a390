#include "source/postgres/table_rows.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace millrace::postgres {
namespace {

/// What the publication publishes: leaves or roots, as publish_via_partition_root has it, with its row
/// filters (15 and later). Names are matched by the caller.
std::string published_sql(int server_version) {
  const std::string filter = server_version >= 150000 ? "pt.rowfilter" : "NULL";
  return "SELECT n.nspname, c.relname, c.oid, c.relkind, c.relreplident, c.reltuples::int8, rn.nspname, "
         "rc.relname, " +
         filter +
         " FROM pg_publication_tables pt JOIN pg_namespace n ON n.nspname = pt.schemaname "
         "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = pt.tablename "
         "LEFT JOIN pg_class rc ON c.relispartition AND rc.oid = pg_partition_root(c.oid) "
         "LEFT JOIN pg_namespace rn ON rn.oid = rc.relnamespace WHERE pt.pubname = $1 ORDER BY 1, 2";
}

/// The columns as pgoutput would describe them: without generated ones, and only those that the publication
/// ($2; empty: none yet) lists.
std::string columns_sql(int server_version) {
  const std::string listed =
      server_version >= 150000
          ? " AND ($2 = '' OR EXISTS (SELECT 1 FROM pg_publication_tables pt JOIN pg_namespace n ON "
            "n.nspname = "
            "pt.schemaname "
            "WHERE pt.pubname = $2 AND pt.tablename = c.relname AND n.oid = c.relnamespace "
            "AND (pt.attnames IS NULL OR a.attname = ANY (pt.attnames))))"
          : " AND $2 IS NOT NULL";
  return "SELECT a.attname, a.atttypid, a.atttypmod, c.relreplident = 'f' OR EXISTS (SELECT 1 FROM pg_index "
         "i WHERE "
         "i.indrelid = c.oid AND i.indisvalid AND i.indimmediate AND ((c.relreplident = 'd' AND "
         "i.indisprimary) OR "
         "(c.relreplident = 'i' AND i.indisreplident)) AND a.attnum = ANY "
         "((i.indkey::int2[])[0:i.indnkeyatts - 1])) "
         "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.oid = $1::int8::oid AND a.attnum "
         "> 0 AND NOT "
         "a.attisdropped AND a.attgenerated = ''" +
         listed + " ORDER BY a.attnum";
}

}  // namespace

Result<std::vector<PublishedTable>> list_published(Connection& connection, const Settings& settings) {
  const std::vector<std::string> parameters = {settings.publication_name};
  auto rows = connection.query("listing the published tables", published_sql(connection.server_version()),
                               parameters);
  if (!rows) return std::move(rows).error();
  std::vector<PublishedTable> out;
  for (QueryRow& row : *rows) {
    PublishedTable source;
    source.schema = row[0].value_or("");
    source.table = row[1].value_or("");
    source.oid = static_cast<std::uint32_t>(parse_int64(row[2].value_or("")).value_or(0));
    source.partitioned = row[3] == "p";
    source.identity = row[4].value_or("d").front();
    source.estimated_rows = parse_int64(row[5].value_or("")).value_or(-1);
    source.row_filter = row[8].value_or("");
    if (settings.filter.captures(source.schema, source.table, row[6].value_or(""), row[7].value_or("")))
      out.push_back(std::move(source));
  }
  return out;
}

Result<TableRows> TableRows::describe(Connection& connection, Catalog& catalog, const Settings& settings,
                                      const PublishedTable& source) {
  const std::vector<std::string> parameters = {std::to_string(source.oid),
                                               source.published ? settings.publication_name : ""};
  auto rows = connection.query("reading table " + source.name(), columns_sql(connection.server_version()),
                               parameters);
  if (!rows) return std::move(rows).error();
  TableRows out;
  out.name_ = source.name();
  Relation relation;
  relation.oid = source.oid;
  relation.schema = source.schema;
  relation.table = source.table;
  relation.identity = source.identity;
  for (const QueryRow& row : *rows) {
    relation.columns.push_back({row[3] == "t", *row[0],
                                static_cast<std::uint32_t>(parse_int64(row[1].value_or("")).value_or(0)),
                                static_cast<std::int32_t>(parse_int64(row[2].value_or("")).value_or(-1))});
    out.columns_ += (out.columns_.empty() ? "" : ", ") + quote_identifier(*row[0]);
  }
  auto table = catalog.resolve(relation);
  if (!table) return std::move(table).error();
  out.table_ = std::move(*table);
  // ONLY: what inherits from a plain table is published under its own name.
  out.from_ = (source.partitioned ? "" : "ONLY ") + quote_table(source.schema, source.table) + " WHERE ";
  out.from_ += source.row_filter.empty() ? "true" : "(" + source.row_filter + ")";
  return out;
}

std::string TableRows::select() const { return "SELECT " + columns_ + " FROM " + from_; }

Status TableRows::put(std::string_view line, const Origin& origin, BatchBuilder& out,
                      std::vector<std::size_t>& unparsed) {
  const std::size_t columns = table_->formats.size();
  if (!reader_.read(line, columns)) {
    return stop_error("the server sent a row of " + name_ + " that is not " + std::to_string(columns) +
                      " columns of COPY text");
  }
  RowRecord row;
  row.op = Op::kRead;
  row.schema = out.schema(table_->schema);
  row.topic = out.topic(table_->topic);
  row.after_count = static_cast<std::uint16_t>(columns);
  row.transaction = out.transaction();
  row.index = static_cast<std::uint32_t>(rows_++);
  row.source_offset = origin.source_offset;
  row.first_cell = out.add_cells(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    const CopyField& field = reader_.fields()[i];
    const std::uint64_t before = values_.unparsed();
    const Cell cell = field.null ? BatchBuilder::put_mark(CellType::kNull)
                                 : values_.decode(table_->formats[i], field.text, out);
    out.cell(row.first_cell + static_cast<std::uint32_t>(i)) = cell;
    if (values_.unparsed() != before && told_.insert(i).second) unparsed.push_back(i);
  }
  out.add_row(row);
  return {};
}

}  // namespace millrace::postgres
