#include "source/postgres/snapshot.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace millrace::postgres {
namespace {

// Looking at the clock costs as much as a small row: only now and then.
constexpr std::uint64_t kRowsPerClock = 256;

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
/// lists.
std::string columns_sql(int server_version) {
  const std::string listed =
      server_version >= 150000
          ? " AND EXISTS (SELECT 1 FROM pg_publication_tables pt JOIN pg_namespace n ON n.nspname = "
            "pt.schemaname "
            "WHERE pt.pubname = $2 AND pt.tablename = c.relname AND n.oid = c.relnamespace "
            "AND (pt.attnames IS NULL OR a.attname = ANY (pt.attnames)))"
          : " AND $2 <> ''";
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

/// One row if the table (for a partitioned one: a leaf of it) does not lie where it lay for the snapshot, or
/// its name has gone to another. The catalog's functions tell what is now, pg_class what the snapshot sees.
constexpr std::string_view kMovedSql =
    "SELECT 1 FROM (SELECT $1::int8::oid AS oid UNION SELECT relid::oid FROM "
    "pg_partition_tree($1::int8::oid::regclass) WHERE isleaf) now LEFT JOIN pg_class c USING (oid) "
    "WHERE c.oid IS NULL OR c.relfilenode <> coalesce(pg_relation_filenode(oid), 0) "
    "UNION ALL SELECT 1 WHERE to_regclass($2)::oid IS DISTINCT FROM $1::int8::oid LIMIT 1";

constexpr std::string_view kNewerSnapshot =
    "It is read under a newer snapshot; tables that are done are not read again.";

}  // namespace

TableSnapshot::TableSnapshot(Connection& connection, Catalog& catalog, const Settings& settings,
                             TaskContext& context, const StreamPoint& start,
                             std::function<Status()> start_stream)
    : connection_(connection),
      catalog_(catalog),
      settings_(settings),
      context_(context),
      start_(start),
      start_stream_(std::move(start_stream)) {}

Status TableSnapshot::begin(const std::string& exported) {
  constexpr std::string_view kWhat = "opening the snapshot";
  auto begun = connection_.query(kWhat, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  if (!begun) return std::move(begun).error();
  if (!exported.empty()) {
    auto set = connection_.query(kWhat, "SET TRANSACTION SNAPSHOT " + quote_literal(exported));
    if (!set) {
      // Most likely the connection that exported it is gone. The slot is there: the next life reads without
      // it.
      Error error = std::move(set).error();
      if (error.next == Next::kStop) error.next = Next::kReconnect;
      return error;
    }
  }
  auto now = connection_.query(kWhat, "SELECT (extract(epoch FROM now()) * 1000000)::int8");
  if (!now) return std::move(now).error();
  if (!now->empty()) snapshot_us_ = parse_int64(now->front()[0].value_or("")).value_or(0);
  commit_ = lsn_key(start_.next);
  // Rows read anew after a crash are other reads than those of the attempt before: each keeps a name of its
  // own.
  if (exported.empty()) commit_ += "." + std::to_string(snapshot_us_);
  return {};
}

Result<std::vector<Chunk>> TableSnapshot::plan() {
  const std::vector<std::string> parameters = {settings_.publication_name};
  auto rows =
      connection_.query("planning the snapshot", published_sql(connection_.server_version()), parameters);
  if (!rows) return std::move(rows).error();
  std::vector<Chunk> chunks;
  sources_.clear();
  for (QueryRow& row : *rows) {
    Source source;
    source.schema = row[0].value_or("");
    source.table = row[1].value_or("");
    source.oid = static_cast<std::uint32_t>(parse_int64(row[2].value_or("")).value_or(0));
    source.partitioned = row[3] == "p";
    source.identity = row[4].value_or("d").front();
    source.row_filter = row[8].value_or("");
    source.chunk = source.schema + "." + source.table;
    if (!settings_.filter.captures(source.schema, source.table, row[6].value_or(""), row[7].value_or("")))
      continue;
    chunks.push_back({source.chunk, source.chunk, parse_int64(row[5].value_or("")).value_or(-1)});
    sources_.push_back(std::move(source));
  }
  return chunks;
}

/// The snapshot is of its moment, names and columns in a statement are of now: what is missing now will not
/// be asked for under a newer snapshot.
Error TableSnapshot::explain(const Source& source, Error error) const {
  const std::string& state = connection_.refused_with();
  if (error.next != Next::kStop || (state != "42P01" && state != "42703")) return error;
  return reconnect_error("table " + source.chunk +
                             " was changed or dropped before it could be read: " + std::move(error.message),
                         std::string(kNewerSnapshot));
}

/// Keeps the table from being written anew while it is read, and makes sure that it was not since the
/// snapshot: COPY would then find no row in it, and say nothing.
Status TableSnapshot::lock(const Source& source) {
  const std::string what = "locking table " + source.chunk + " against rewriting";
  const std::string name = quote_table(source.schema, source.table);
  // Not LOCK TABLE, which wants a right to the whole table: columns may be all that is granted and published.
  auto locked = connection_.query(
      what, "SELECT FROM " + std::string(source.partitioned ? "" : "ONLY ") + name + " LIMIT 0");
  if (!locked) return explain(source, std::move(locked).error());
  const std::vector<std::string> parameters = {std::to_string(source.oid), name};
  auto moved = connection_.query(what, std::string(kMovedSql), parameters);
  if (!moved) return std::move(moved).error();
  if (moved->empty()) return {};
  return reconnect_error("table " + source.chunk + " was written anew before it could be read",
                         std::string(kNewerSnapshot));
}

Status TableSnapshot::start(const Source& source) {
  MILLRACE_TRY(lock(source));
  const std::vector<std::string> parameters = {std::to_string(source.oid), settings_.publication_name};
  auto rows = connection_.query("reading table " + source.chunk, columns_sql(connection_.server_version()),
                                parameters);
  if (!rows) return std::move(rows).error();
  Relation relation;
  relation.oid = source.oid;
  relation.schema = source.schema;
  relation.table = source.table;
  relation.identity = source.identity;
  std::string columns;
  for (const QueryRow& row : *rows) {
    relation.columns.push_back({row[3] == "t", *row[0],
                                static_cast<std::uint32_t>(parse_int64(row[1].value_or("")).value_or(0)),
                                static_cast<std::int32_t>(parse_int64(row[2].value_or("")).value_or(-1))});
    columns += (columns.empty() ? "" : ", ") + quote_identifier(*row[0]);
  }
  auto table = catalog_.resolve(relation);
  if (!table) return std::move(table).error();
  // ONLY: what inherits from a plain table is published under its own name.
  std::string copy = "COPY (SELECT " + columns + " FROM " + (source.partitioned ? "" : "ONLY ") +
                     quote_table(source.schema, source.table);
  if (!source.row_filter.empty()) copy += " WHERE " + source.row_filter;
  if (Status begun = connection_.start_copy("reading table " + source.chunk, copy + ") TO STDOUT"); !begun) {
    return explain(source, std::move(begun).error());
  }
  active_ = Active{source.chunk, std::move(*table), 0, {}};
  return {};
}

Result<bool> TableSnapshot::read(const Chunk& chunk, BatchBuilder& out, std::int64_t until_us) {
  MILLRACE_CHECK(!active_ || active_->chunk == chunk.id);
  if (!active_) {
    const auto source =
        std::find_if(sources_.begin(), sources_.end(), [&](const Source& s) { return s.chunk == chunk.id; });
    MILLRACE_CHECK(source != sources_.end());
    MILLRACE_TRY(start(*source));
  }
  out.begin_transaction(commit_, 0, snapshot_us_);
  out.set_received_us(context_.clock.wall_us());
  Result<bool> at_end = pump(out, until_us);
  out.end_transaction();
  if (!at_end) return at_end;
  MILLRACE_TRY(context_.failpoints.pass("postgres.in_snapshot"));
  if (*at_end) active_.reset();
  return at_end;
}

Result<bool> TableSnapshot::pump(BatchBuilder& out, std::int64_t until_us) {
  const std::string what = "reading table " + active_->chunk;
  bool fresh = false;  // nothing has been taken in since the connection ran dry
  while (!out.full()) {
    std::string_view line;
    Result<Connection::Copy> got = connection_.next(what, line);
    if (!got) return std::move(got).error();
    if (*got == Connection::Copy::kEnd) return true;
    if (*got == Connection::Copy::kRow) {
      fresh = false;
      MILLRACE_TRY(put_row(line, out));
      if (active_->rows % kRowsPerClock == 0 && context_.clock.now_us() >= until_us) return false;
      continue;
    }
    if (fresh) {
      const bool ready = connection_.wait_readable(until_us);
      if (!ready || context_.stop.stop_requested()) return false;
    }
    MILLRACE_TRY(connection_.receive(what));
    fresh = true;
  }
  return false;
}

void TableSnapshot::tell_unparsed(const Table& table, std::size_t column) {
  if (!active_->told.insert(column).second) return;
  const std::string name = table.topic + "." + table.schema->columns[column].name;
  context_.logger.warn("values that cannot be read as their column's type are kept as text",
                       {{"connector", settings_.connector}, {"column", std::string_view(name)}});
}

Status TableSnapshot::put_row(std::string_view line, BatchBuilder& out) {
  const Table& table = *active_->table;
  const std::size_t columns = table.formats.size();
  if (!reader_.read(line, columns)) {
    return stop_error("the server sent a row of " + active_->chunk + " that is not " +
                      std::to_string(columns) + " columns of COPY text");
  }
  RowRecord row;
  row.op = Op::kRead;
  row.schema = out.schema(table.schema);
  row.topic = out.topic(table.topic);
  row.after_count = static_cast<std::uint16_t>(columns);
  row.transaction = out.transaction();
  row.index = static_cast<std::uint32_t>(active_->rows++);
  row.source_offset = start_.next;
  row.first_cell = out.add_cells(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    const CopyField& field = reader_.fields()[i];
    const std::uint64_t unparsed = values_.unparsed();
    const Cell cell = field.null ? BatchBuilder::put_mark(CellType::kNull)
                                 : values_.decode(table.formats[i], field.text, out);
    out.cell(row.first_cell + static_cast<std::uint32_t>(i)) = cell;
    if (values_.unparsed() != unparsed) tell_unparsed(table, i);
  }
  out.add_row(row);
  return {};
}

Result<SourcePosition> TableSnapshot::finish() {
  auto done = connection_.query("closing the snapshot", "COMMIT");
  if (!done) return std::move(done).error();
  MILLRACE_TRY(start_stream_());
  return to_source_position(start_);
}

}  // namespace millrace::postgres
