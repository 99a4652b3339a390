#include "source/postgres/catalog.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace millrace::postgres {
namespace {

constexpr std::string_view kReading = "reading the catalog";

const std::string kTablesSql = R"(
SELECT c.oid, n.nspname, c.relname, c.relkind, c.relreplident,
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary),
       EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident),
       has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE'),
       c.reltuples::int8, rn.nspname, rc.relname, row_security_active(c.oid)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class rc ON c.relispartition AND rc.oid = pg_partition_root(c.oid)
LEFT JOIN pg_namespace rn ON rn.oid = rc.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND c.oid >= 16384
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
ORDER BY n.nspname, c.relname)";

const std::string kColumnsSql = R"(
SELECT a.attname, a.atttypid, a.attnotnull,
       CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END
FROM pg_attribute a
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum)";

// The primary key, or else the first unique index that identifies every row: all columns NOT NULL, no
// predicate, no expressions, checked at once.
const std::string kKeySql = R"(
SELECT a.attname
FROM (SELECT i.indrelid, i.indkey::int2[] AS keys, i.indnkeyatts
      FROM pg_index i
      WHERE i.indrelid = $1::int8::oid AND i.indisvalid AND i.indisunique AND i.indimmediate
        AND i.indpred IS NULL AND i.indexprs IS NULL
        AND NOT EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = i.indrelid
                        AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]) AND NOT a.attnotnull)
      ORDER BY i.indisprimary DESC, i.indexrelid LIMIT 1) k
CROSS JOIN LATERAL unnest(k.keys[0:k.indnkeyatts - 1]) WITH ORDINALITY AS u (attnum, place)
JOIN pg_attribute a ON a.attrelid = k.indrelid AND a.attnum = u.attnum
ORDER BY u.place)";

const std::string kRootSql = R"(
SELECT n.nspname, c.relname
FROM pg_class p
JOIN pg_class c ON c.oid = pg_partition_root(p.oid)
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE p.oid = $1::int8::oid AND p.relispartition)";

const std::string kTypesSql = R"(
SELECT t.oid, n.nspname, t.typname, t.typtype, t.typbasetype, t.typtypmod,
       CASE WHEN t.typoutput = 'array_out'::regproc THEN t.typelem ELSE 0 END, t.typdelim,
       EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.deptype = 'e'
               AND d.objid IN (t.oid, CASE WHEN t.typoutput = 'array_out'::regproc THEN t.typelem
    ELSE t.oid END))
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
WHERE t.oid = ANY ($1::oid[]))";

const std::string kLabelsSql =
    "SELECT enumtypid, enumlabel FROM pg_enum WHERE enumtypid = ANY ($1::oid[]) ORDER BY enumtypid, "
    "enumsortorder";

// Array of domain over array of ...: rounds of questions.
constexpr int kMaxTypeRounds = 32;

std::int64_t to_int(const std::optional<std::string>& text) {
  return text ? parse_int64(*text).value_or(0) : 0;
}
std::uint32_t to_oid(const std::optional<std::string>& text) {
  return static_cast<std::uint32_t>(to_int(text));
}
char to_letter(const std::optional<std::string>& text, char otherwise) {
  return text && !text->empty() ? text->front() : otherwise;
}

std::string oid_array(const std::vector<std::uint32_t>& oids) {
  std::string out = "{";
  for (const std::uint32_t oid : oids) {
    if (out.size() > 1) out.push_back(',');
    out += std::to_string(oid);
  }
  return out + '}';
}

Status read_some_types(Connection& connection, const std::vector<std::uint32_t>& oids, TypeCatalog& types) {
  const std::vector<std::string> parameters = {oid_array(oids)};
  auto rows = connection.query(kReading, kTypesSql, parameters);
  if (!rows) return std::move(rows).error();
  auto labels = connection.query(kReading, kLabelsSql, parameters);
  if (!labels) return std::move(labels).error();
  for (const QueryRow& row : *rows) {
    TypeFacts facts;
    facts.oid = to_oid(row[0]);
    facts.schema = row[1].value_or("");
    facts.name = row[2].value_or("");
    facts.kind = to_letter(row[3], 'b');
    facts.base_oid = to_oid(row[4]);
    facts.type_modifier = static_cast<std::int32_t>(to_int(row[5]));
    facts.element_oid = to_oid(row[6]);
    facts.delimiter = to_letter(row[7], ',');
    facts.of_extension = row[8] == "t";
    for (const QueryRow& label : *labels) {
      if (to_oid(label[0]) == facts.oid) facts.labels.push_back(label[1].value_or(""));
    }
    types.put(std::move(facts));
  }
  return {};
}

}  // namespace

Result<std::vector<CapturedTable>> list_tables(Connection& connection, const TableFilter& filter) {
  auto rows = connection.query("listing the tables", kTablesSql);
  if (!rows) return std::move(rows).error();
  std::vector<CapturedTable> out;
  for (const QueryRow& row : *rows) {
    CapturedTable table;
    table.oid = to_oid(row[0]);
    table.schema = row[1].value_or("");
    table.table = row[2].value_or("");
    table.kind = to_letter(row[3], 'r');
    table.identity = to_letter(row[4], 'd');
    table.has_primary_key = row[5] == "t";
    table.has_identity_index = row[6] == "t";
    table.may_select = row[7] == "t";
    table.estimated_rows = to_int(row[8]);
    table.root_schema = row[9].value_or("");
    table.root_table = row[10].value_or("");
    table.rows_hidden = row[11] == "t";
    if (filter.captures(table.schema, table.table, table.root_schema, table.root_table))
      out.push_back(std::move(table));
  }
  return out;
}

Result<std::optional<TableFacts>> read_table(Connection& connection, std::uint32_t oid) {
  const std::vector<std::string> parameters = {std::to_string(oid)};
  auto columns = connection.query(kReading, kColumnsSql, parameters);
  if (!columns) return std::move(columns).error();
  if (columns->empty()) return std::optional<TableFacts>();
  auto key = connection.query(kReading, kKeySql, parameters);
  if (!key) return std::move(key).error();
  auto root = connection.query(kReading, kRootSql, parameters);
  if (!root) return std::move(root).error();
  TableFacts out;
  for (QueryRow& row : *columns) {
    out.columns.push_back({row[0].value_or(""), to_oid(row[1]), row[2] == "t", std::move(row[3])});
  }
  for (QueryRow& row : *key) out.key.push_back(row[0].value_or(""));
  if (!root->empty()) {
    out.root_schema = root->front()[0].value_or("");
    out.root_table = root->front()[1].value_or("");
  }
  return std::optional<TableFacts>(std::move(out));
}

Status read_types(Connection& connection, const std::vector<std::uint32_t>& oids, TypeCatalog& types) {
  std::vector<std::uint32_t> asked;
  for (int round = 0; round < kMaxTypeRounds; ++round) {
    std::vector<std::uint32_t> wanted;
    for (const std::uint32_t oid : oids) {
      for (const std::uint32_t missing : types.missing(oid)) {
        if (std::find(asked.begin(), asked.end(), missing) == asked.end()) wanted.push_back(missing);
      }
    }
    if (wanted.empty()) return {};
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    MILLRACE_TRY(read_some_types(connection, wanted, types));
    asked.insert(asked.end(), wanted.begin(), wanted.end());
  }
  return {};
}

Catalog::Catalog(Connection& connection, const Settings& settings, const std::vector<TableSchemaPtr>& known,
                 TableMemory& memory, Logger& logger)
    : connection_(connection), settings_(settings), memory_(memory), logger_(logger) {
  for (const TableSchemaPtr& schema : known) {
    logged_.insert(schema->source_table_id);
    versions_[schema->source_table_id].push_back(schema);
    next_id_ = std::max(next_id_, schema->id + 1);
  }
}

void Catalog::note_type(std::uint32_t oid, std::string_view schema, std::string_view name) {
  TypeFacts facts;
  facts.oid = oid;
  facts.schema = schema;
  facts.name = name;
  noted_.insert_or_assign(oid, std::move(facts));
}

/// The catalog may be later than the stream: a partition that is captured by its partitioned table's name and
/// was detached or dropped since stays captured, or the changes on the way would be lost.
bool Catalog::is_captured(const Relation& relation, const TableFacts* now) {
  if (now != nullptr) memory_.note_root(relation.oid, now->root_schema, now->root_table);
  const TableMemory::Root* root = memory_.root(relation.oid);
  const bool named =
      settings_.filter.captures(relation.schema, relation.table, root == nullptr ? "" : root->schema,
                                root == nullptr ? "" : root->table);
  const bool logged = logged_.contains(relation.oid);
  // One that is gone cannot be asked what it belonged to, but its earlier rows were captured.
  const bool gone = now == nullptr && logged && !settings_.filter.excludes(relation.schema, relation.table);
  if (named || gone) return true;
  if (memory_.tell(std::to_string(relation.oid))) {
    logger_.write(
        logged || now == nullptr ? LogLevel::kWarn : LogLevel::kInfo,
        "a published table is not captured: no list names it",
        {{"connector", settings_.connector}, {"schema", relation.schema}, {"table", relation.table}});
  }
  return false;
}

Result<TablePtr> Catalog::resolve(const Relation& relation) {
  auto facts = read_table(connection_, relation.oid);
  if (!facts) return std::move(facts).error();
  std::vector<std::uint32_t> oids;
  oids.reserve(relation.columns.size());
  for (const RelationColumn& column : relation.columns) oids.push_back(column.type_oid);
  types_.forget_user_types();
  MILLRACE_TRY(read_types(connection_, oids, types_));
  // A type dropped since: the stream told its name, and its values are taken as text.
  for (const std::uint32_t oid : oids) {
    const auto noted = noted_.find(oid);
    if (types_.find(oid) == nullptr && noted != noted_.end()) types_.put(noted->second);
  }
  const TableFacts* now = facts->has_value() ? &**facts : nullptr;
  TableLayout layout = describe_table(relation, types_, now, settings_.connection.database);
  auto table = std::make_shared<Table>();
  table->topic = settings_.topic_prefix + "." + layout.schema.schema + "." + layout.schema.table;
  table->captured = is_captured(relation, now);
  table->formats = std::move(layout.formats);
  table->in_identity = std::move(layout.in_identity);
  table->schema = number(std::move(layout.schema));
  return TablePtr(std::move(table));
}

TableSchemaPtr Catalog::number(TableSchema&& schema) {
  std::vector<TableSchemaPtr>& versions = versions_[schema.source_table_id];
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (same_shape(**version, schema)) return *version;
  }
  schema.id = next_id_++;
  auto numbered = std::make_shared<const TableSchema>(std::move(schema));
  logger_.info("table version", {{"connector", settings_.connector},
                                 {"table", std::string_view(numbered->table)},
                                 {"schema", std::string_view(numbered->schema)},
                                 {"version", static_cast<std::int64_t>(numbered->id)},
                                 {"columns", static_cast<std::int64_t>(numbered->columns.size())}});
  versions.push_back(numbered);
  return numbered;
}

}  // namespace millrace::postgres
