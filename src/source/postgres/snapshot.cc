#include "source/postgres/snapshot.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace millrace::postgres {
namespace {

// Looking at the clock costs as much as a small row: only now and then.
constexpr std::uint64_t kRowsPerClock = 256;

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
  auto published = list_published(connection_, settings_);
  if (!published) return std::move(published).error();
  sources_ = std::move(*published);
  std::vector<Chunk> chunks;
  chunks.reserve(sources_.size());
  for (const PublishedTable& source : sources_)
    chunks.push_back({source.name(), source.name(), source.estimated_rows});
  return chunks;
}

/// The snapshot is of its moment, names and columns in a statement are of now: what is missing now will not
/// be asked for under a newer snapshot.
Error TableSnapshot::explain(const PublishedTable& source, Error error) const {
  const std::string& state = connection_.refused_with();
  if (error.next != Next::kStop || (state != "42P01" && state != "42703")) return error;
  return reconnect_error("table " + source.name() +
                             " was changed or dropped before it could be read: " + std::move(error.message),
                         std::string(kNewerSnapshot));
}

/// Keeps the table from being written anew while it is read, and makes sure that it was not since the
/// snapshot: COPY would then find no row in it, and say nothing.
Status TableSnapshot::lock(const PublishedTable& source) {
  const std::string what = "locking table " + source.name() + " against rewriting";
  const std::string name = quote_table(source.schema, source.table);
  // Not LOCK TABLE, which wants a right to the whole table: columns may be all that is granted and published.
  auto locked = connection_.query(
      what, "SELECT FROM " + std::string(source.partitioned ? "" : "ONLY ") + name + " LIMIT 0");
  if (!locked) return explain(source, std::move(locked).error());
  const std::vector<std::string> parameters = {std::to_string(source.oid), name};
  auto moved = connection_.query(what, std::string(kMovedSql), parameters);
  if (!moved) return std::move(moved).error();
  if (moved->empty()) return {};
  return reconnect_error("table " + source.name() + " was written anew before it could be read",
                         std::string(kNewerSnapshot));
}

Status TableSnapshot::start(const PublishedTable& source) {
  MILLRACE_TRY(lock(source));
  auto rows = TableRows::describe(connection_, catalog_, settings_, source);
  if (!rows) return std::move(rows).error();
  const std::string copy = "COPY (" + rows->select() + ") TO STDOUT";
  if (Status begun = connection_.start_copy("reading table " + source.name(), copy); !begun) {
    return explain(source, std::move(begun).error());
  }
  active_ = Active{source.name(), std::move(*rows)};
  return {};
}

Result<bool> TableSnapshot::read(const Chunk& chunk, BatchBuilder& out, std::int64_t until_us) {
  MILLRACE_CHECK(!active_ || active_->chunk == chunk.id);
  if (!active_) {
    const auto source = std::find_if(sources_.begin(), sources_.end(),
                                     [&](const PublishedTable& s) { return s.name() == chunk.id; });
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
      if (active_->rows.rows() % kRowsPerClock == 0 && context_.clock.now_us() >= until_us) return false;
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

Status TableSnapshot::put_row(std::string_view line, BatchBuilder& out) {
  std::vector<std::size_t> unparsed;
  MILLRACE_TRY(active_->rows.put(line, {start_.next}, out, unparsed));
  const Table& table = active_->rows.table();
  for (const std::size_t column : unparsed) {
    const std::string name = table.topic + "." + table.schema->columns[column].name;
    context_.logger.warn("values that cannot be read as their column's type are kept as text",
                         {{"connector", settings_.connector}, {"column", std::string_view(name)}});
  }
  return {};
}

Result<SourcePosition> TableSnapshot::finish() {
  auto done = connection_.query("closing the snapshot", "COMMIT");
  if (!done) return std::move(done).error();
  MILLRACE_TRY(start_stream_());
  return to_source_position(start_);
}

}  // namespace millrace::postgres
