#include "source/postgres/scanner.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/clock.h"
#include "source/postgres/catalog.h"
#include "source/postgres/table_rows.h"

namespace millrace::postgres {
namespace {

constexpr std::int64_t kStepUs = 100'000;
constexpr std::int64_t kCheckConnectMs = 4'000;
constexpr std::int64_t kCheckBudgetUs = 5'000'000;
constexpr std::string_view kDataException = "22";  // class of SQLSTATE

/// Columns whose type the session can compare by itself: of the system's own types, and enums. For the
/// others (of extensions: citext) it finds no operators, its search_path being empty, or those of another
/// type.
constexpr std::string_view kOrderedSql =
    "WITH RECURSIVE t AS (SELECT a.attname, y.typtype, y.typnamespace, y.typbasetype FROM pg_attribute a "
    "JOIN "
    "pg_type y ON y.oid = a.atttypid WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT "
    "a.attisdropped "
    "UNION ALL SELECT t.attname, y.typtype, y.typnamespace, y.typbasetype FROM t JOIN pg_type y ON "
    "y.oid = t.typbasetype WHERE t.typtype = 'd') SELECT attname FROM t WHERE typtype = 'e' OR (typtype <> "
    "'d' "
    "AND typnamespace = 'pg_catalog'::regnamespace)";

/// The table as verify sees it.
Result<ScanTable> describe(Connection& connection, Catalog& catalog, const Settings& settings,
                           const PublishedTable& source) {
  auto rows = TableRows::describe(connection, catalog, settings, source);
  if (!rows) return std::move(rows).error();
  const Table& table = rows->table();
  ScanTable out;
  out.topic = table.topic;
  out.name = source.name();
  out.estimated_rows = source.estimated_rows;
  out.schema = table.schema;
  for (const std::uint16_t column : table.schema->key_columns) {
    const ColumnSchema& of = table.schema->columns[column];
    out.key.push_back(of.name);
    if (of.type == CellType::kArray || of.type == CellType::kStruct)
      out.unfit = "its key has a column of type " + of.source_type + ", by which rows cannot be looked up";
  }
  if (out.key.empty()) out.unfit = "it has no key, so its rows cannot be told apart";
  return out;
}

/// Those that are published, and the captured ones that the first start, or the next, will publish.
Result<std::vector<PublishedTable>> list_to_be_published(Connection& connection, const Settings& settings) {
  auto out = list_published(connection, settings);
  if (!out) return out;
  auto captured = list_tables(connection, settings.filter);
  if (!captured) return std::move(captured).error();
  std::set<std::string> there;
  for (const PublishedTable& table : *out) there.insert(table.name());
  for (const CapturedTable& table : *captured) {
    const bool whole = settings.via_partition_root ? table.root_table.empty() : table.kind != 'p';
    const std::string root = table.root_schema + "." + table.root_table;
    if (!whole || there.contains(table.name()) || there.contains(root)) continue;
    out->push_back({.schema = table.schema,
                    .table = table.table,
                    .oid = table.oid,
                    .partitioned = table.kind == 'p',
                    .identity = table.identity,
                    .published = false,
                    .row_filter = {},
                    .estimated_rows = table.estimated_rows});
  }
  return out;
}

class PostgresScanner final : public TableScanner {
 public:
  explicit PostgresScanner(Settings settings) : settings_(std::move(settings)) {
    settings_.connection.application_name = settings_.connector + " verify";
  }

  Result<std::vector<ScanTable>> open(TaskContext& context) override {
    context_ = &context;
    auto connection =
        Connection::open(settings_.connection, Connection::Kind::kNormal, context.clock, context.stop);
    if (!connection) return std::move(connection).error();
    connection_ = std::move(*connection);
    auto read_only = connection_->query("verifying", "SET default_transaction_read_only = on");
    if (!read_only) return std::move(read_only).error();
    catalog_.emplace(*connection_, settings_, std::vector<TableSchemaPtr>(), memory_, context.logger);
    auto published = list_published(*connection_, settings_);
    if (!published) return std::move(published).error();
    sources_ = std::move(*published);
    if (sources_.empty()) {
      return stop_error(
          "publication " + settings_.publication_name + " publishes none of the captured tables",
          "start the pipeline once, or see `millrace check`");
    }
    std::vector<ScanTable> out;
    for (const PublishedTable& source : sources_) {
      auto table = describe(*connection_, *catalog_, settings_, source);
      if (!table) return std::move(table).error();
      out.push_back(std::move(*table));
    }
    return out;
  }

  Status begin(const ScanTable& table) override {
    const auto source = std::ranges::find(sources_, table.name, &PublishedTable::name);
    MILLRACE_CHECK(source != sources_.end());
    auto rows = TableRows::describe(*connection_, *catalog_, settings_, *source);
    if (!rows) return std::move(rows).error();
    rows_.emplace(std::move(*rows));
    last_.clear();
    const std::vector<std::string> parameters = {std::to_string(source->oid)};
    auto ordered = connection_->query("reading table " + table.name, std::string(kOrderedSql), parameters);
    if (!ordered) return std::move(ordered).error();
    ordered_.clear();
    for (const QueryRow& row : *ordered) ordered_.insert(row[0].value_or(""));
    const TableSchema& schema = *rows_->table().schema;
    key_.clear();
    for (const std::uint16_t column : schema.key_columns)
      key_ += (key_.empty() ? "" : ", ") + compared(schema.columns[column].name);
    return {};
  }

  Result<bool> read(std::size_t rows, BatchBuilder& out) override {
    std::string sql = rows_->select();
    // Of the text that the server printed itself, so no form is lost on the way.
    if (!last_.empty()) sql += " AND (" + key_ + ") > (" + last_ + ")";
    sql += " ORDER BY " + key_ + " LIMIT " + std::to_string(rows);
    const std::uint64_t before = rows_->rows();
    const auto full = copy(sql, out, true);
    if (!full) return full.error();
    return !*full && rows_->rows() - before < rows;
  }

  Result<LookUp> look_up(std::span<const RowName> names, BatchBuilder& out) override {
    LookUp done;
    if (!names.empty()) MILLRACE_TRY(look_up_from(0, names, out, done));
    return done;
  }

 private:
  /// A column as its own order and equality have it, or by its text, byte by byte, which tells no two keys
  /// apart that are one, nor the other way round.
  [[nodiscard]] std::string compared(const std::string& column) const {
    const std::string name = quote_identifier(column);
    return ordered_.contains(column) ? name : "(" + name + "::text COLLATE \"C\")";
  }

  /// Texts that were made of keys in a target need not be values of the column's type: those names are found
  /// by halves.
  Status look_up_from(std::size_t first, std::span<const RowName> names, BatchBuilder& out, LookUp& done) {
    const auto sql = look_up_sql(names);
    if (!sql) return sql.error();
    const auto full = copy(*sql, out, false);
    if (full) {
      done.full = done.full || *full;
      return {};
    }
    if (!connection_->refused_with().starts_with(kDataException)) return full.error();
    if (names.size() == 1) {
      done.no_values.push_back(first);
      return {};
    }
    const std::size_t half = names.size() / 2;
    MILLRACE_TRY(look_up_from(first, names.first(half), out, done));
    return look_up_from(first + half, names.subspan(half), out, done);
  }

  [[nodiscard]] Result<std::string> look_up_sql(std::span<const RowName> names) const {
    const TableSchema& schema = *rows_->table().schema;
    std::string columns;
    for (const auto& [column, value] : names.front())
      columns += (columns.empty() ? "" : ", ") + compared(column);
    std::string sql = rows_->select() + " AND (" + columns + ") IN (";
    for (const RowName& name : names) {
      std::string row;
      for (const auto& [column, value] : name) {
        const auto at = find_column(schema, column);
        if (!at)
          return stop_error("table " + full_name(schema) + " has no column " + column + " any more",
                            "verify again");
        row += (row.empty() ? "" : ", ") + plain_text_literal(schema.columns[*at].type, value);
      }
      sql += (&name == names.data() ? "(" : ", (") + row + ")";
    }
    return sql + ")";
  }

  /// True: it was given up when `out` was full.
  Result<bool> copy(const std::string& sql, BatchBuilder& out, bool keep_last) {
    const std::string what = "reading table " + full_name(*rows_->table().schema);
    MILLRACE_TRY(connection_->start_copy(what, "COPY (" + sql + ") TO STDOUT"));
    out.begin_transaction("", 0, context_->clock.wall_us());
    std::vector<std::size_t> unparsed;
    bool full = false;
    while (!full) {
      if (context_->stop.stop_requested()) return retry_error("stopped");
      std::string_view line;
      auto got = connection_->next(what, line);
      if (!got) return std::move(got).error();
      if (*got == Connection::Copy::kEnd) break;
      if (*got == Connection::Copy::kRow) {
        MILLRACE_TRY(rows_->put(line, {}, out, unparsed));
        if (keep_last) note_last();
        full = out.full();
        continue;
      }
      if (connection_->wait_readable(context_->clock.now_us() + kStepUs))
        MILLRACE_TRY(connection_->receive(what));
    }
    out.end_transaction();
    if (full) MILLRACE_TRY(connection_->abandon_copy(what));
    return full;
  }

  void note_last() {
    last_.clear();
    for (const std::uint16_t column : rows_->table().schema->key_columns) {
      last_ += (last_.empty() ? "" : ", ") + quote_literal(rows_->fields()[column].text);
    }
  }

  Settings settings_;
  TaskContext* context_ = nullptr;
  std::unique_ptr<Connection> connection_;
  TableMemory memory_;
  std::optional<Catalog> catalog_;
  std::vector<PublishedTable> sources_;
  std::optional<TableRows> rows_;  ///< of the table begun
  std::set<std::string> ordered_;  ///< its columns that are compared as they are
  std::string key_;                ///< of its columns, for ORDER BY
  std::string last_;               ///< key of the row read last, as literals
};

}  // namespace

Result<std::vector<ScanTable>> list_scan_tables(Settings settings) {
  settings.connection.application_name = settings.connector + " check";
  settings.connection.connect_timeout_ms = std::min(settings.connection.connect_timeout_ms, kCheckConnectMs);
  SystemClock clock;
  const std::int64_t until_us = clock.now_us() + kCheckBudgetUs;
  Logger logger(LogLevel::kWarn, LogFormat::kText);
  auto connection = Connection::open(settings.connection, Connection::Kind::kNormal, clock, {});
  if (!connection) return std::move(connection).error();
  auto limited = (*connection)->query("checking", "SET statement_timeout = 4000");
  if (!limited) return std::move(limited).error();
  TableMemory memory;
  Catalog catalog(**connection, settings, {}, memory, logger);
  auto sources = list_to_be_published(**connection, settings);
  if (!sources) return std::move(sources).error();
  std::vector<ScanTable> out;
  for (const PublishedTable& source : *sources) {
    if (clock.now_us() > until_us)
      return retry_error("describing " + std::to_string(sources->size()) + " tables took too long");
    auto table = describe(**connection, catalog, settings, source);
    if (!table) return std::move(table).error();
    out.push_back(std::move(*table));
  }
  return out;
}

std::unique_ptr<TableScanner> make_table_scanner(Settings settings) {
  return std::make_unique<PostgresScanner>(std::move(settings));
}

}  // namespace millrace::postgres
