#include "source/postgres/slot.h"

#include <algorithm>
#include <unordered_map>

#include "base/text.h"
#include "source/postgres/errors.h"

namespace millrace::postgres {
namespace {

constexpr std::int64_t kSayThatSlotWaitsMs = 10'000;
constexpr std::size_t kNamesShown = 20;  // of tables, in a log line

std::string joined(const std::vector<std::string>& items, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i == limit) return out + " and " + std::to_string(items.size() - limit) + " more";
    if (i > 0) out += ", ";
    out += items[i];
  }
  return out;
}

bool is_target(const Settings& settings, const CapturedTable& table) {
  if (table.root_table.empty()) return true;
  return !settings.filter.captures(table.root_schema, table.root_table);
}

/// `"a"."b"` of the table itself, or of the partitioned table through which it is published.
std::string target_name(const Settings& settings, const CapturedTable& table) {
  return is_target(settings, table) ? quote_table(table.schema, table.table)
                                    : quote_table(table.root_schema, table.root_table);
}

std::string table_list(const std::vector<std::string>& targets) {
  std::string out;
  for (const std::string& target : targets) out += (out.empty() ? "" : ", ") + target;
  return out;
}

std::string create_sql(const Settings& settings, const std::vector<std::string>& targets) {
  std::string sql = "CREATE PUBLICATION " + quote_identifier(settings.publication_name);
  if (settings.publication_mode == PublicationMode::kAllTables) sql += " FOR ALL TABLES";
  if (settings.publication_mode == PublicationMode::kFiltered) sql += " FOR TABLE " + table_list(targets);
  if (settings.via_partition_root) sql += " WITH (publish_via_partition_root = true)";
  return sql;
}

Error keyless_error(const PublicationPlan& plan, const std::vector<CapturedTable>& tables) {
  std::string fix;
  std::size_t shown = 0;
  for (const CapturedTable& table : tables) {
    if (std::find(plan.keyless.begin(), plan.keyless.end(), table.name()) == plan.keyless.end()) continue;
    if (++shown > 5) break;
    fix += "ALTER TABLE " + quote_table(table.schema, table.table) + " REPLICA IDENTITY FULL; ";
  }
  return stop_error(
      "these tables have neither a primary key nor a replica identity: " + joined(plan.keyless, 5) +
          "; publishing them would make the application's UPDATE and DELETE on them fail",
      "Add a primary key, or: " + fix +
          "Or leave them out with table.exclude.list, or set publication.allow.keyless: true when they "
          "are only ever inserted into.");
}

}  // namespace

bool PublicationFacts::has(std::string_view schema, std::string_view table) const {
  return std::any_of(tables.begin(), tables.end(),
                     [&](const auto& entry) { return entry.first == schema && entry.second == table; });
}

PublicationPlan plan_publication(const Settings& settings, const std::vector<CapturedTable>& tables,
                                 const PublicationFacts& publication) {
  PublicationPlan plan;
  if (publication.all_tables) return plan;
  std::vector<std::string> targets;
  for (const CapturedTable& table : tables) {
    // Partitioned tables hold no rows. An empty one is still published, for the partitions it will get.
    const bool published =
        publication.has(table.schema, table.table) ||
        (!table.root_table.empty() && publication.has(table.root_schema, table.root_table));
    const bool hollow = table.kind == 'p';
    if (published || (hollow && (publication.exists || !is_target(settings, table)))) continue;
    if (!hollow) {
      plan.missing.push_back(table.name());
      if (!table.has_identity()) plan.keyless.push_back(table.name());
    }
    std::string target = target_name(settings, table);
    if (std::find(targets.begin(), targets.end(), target) == targets.end())
      targets.push_back(std::move(target));
  }
  if (!publication.exists) {
    const bool empty = settings.publication_mode == PublicationMode::kFiltered && targets.empty();
    if (settings.publication_mode == PublicationMode::kNoTables) plan.keyless.clear();
    if (settings.publication_mode != PublicationMode::kDisabled && !empty)
      plan.sql = create_sql(settings, targets);
  } else if (settings.publication_mode == PublicationMode::kFiltered && !targets.empty()) {
    plan.sql = "ALTER PUBLICATION " + quote_identifier(settings.publication_name) + " ADD TABLE " +
               table_list(targets);
  } else {
    plan.keyless.clear();
  }
  return plan;
}

Result<PublicationFacts> read_publication(Connection& connection, const std::string& name) {
  const std::vector<std::string> parameters = {name};
  auto rows = connection.query(
      "reading the publication",
      "SELECT puballtables, pubinsert AND pubupdate AND pubdelete AND pubtruncate, pubviaroot FROM "
      "pg_publication WHERE pubname = $1",
      parameters);
  if (!rows) return std::move(rows).error();
  PublicationFacts out;
  if (rows->empty()) return out;
  out.exists = true;
  out.all_tables = rows->front()[0] == "t";
  out.all_operations = rows->front()[1] == "t";
  out.via_root = rows->front()[2] == "t";
  auto tables = connection.query("reading the publication",
                                 "SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = $1",
                                 parameters);
  if (!tables) return std::move(tables).error();
  for (QueryRow& row : *tables) out.tables.emplace_back(row[0].value_or(""), row[1].value_or(""));
  return out;
}

std::vector<std::string> captured_before(const std::vector<std::string>& missing,
                                         const std::vector<CapturedTable>& tables,
                                         const std::vector<TableSchemaPtr>& known) {
  const auto is_known = [&](const CapturedTable& table) {
    return std::any_of(known.begin(), known.end(), [&](const TableSchemaPtr& schema) {
      return schema->source_table_id == std::int64_t{table.oid};
    });
  };
  std::vector<std::string> out;
  for (const CapturedTable& table : tables) {
    if (std::find(missing.begin(), missing.end(), table.name()) == missing.end()) continue;
    // The changes of a partition may have come as those of its partitioned table.
    const auto root = std::find_if(tables.begin(), tables.end(), [&](const CapturedTable& other) {
      return other.schema == table.root_schema && other.table == table.root_table;
    });
    if (is_known(table) || (root != tables.end() && is_known(*root))) out.push_back(table.name());
  }
  return out;
}

std::vector<std::string> hidden_partitions(const Settings& settings, const std::vector<CapturedTable>& tables,
                                           const PublicationFacts& publication) {
  std::vector<std::string> out;
  for (const CapturedTable& table : tables) {
    const bool replaced = publication.via_root && !table.root_table.empty() && table.kind != 'p' &&
                          publication.has(table.root_schema, table.root_table);
    if (replaced && !settings.filter.captures(table.root_schema, table.root_table))
      out.push_back(table.name());
  }
  return out;
}

Status check_names(const std::vector<CapturedTable>& tables) {
  std::unordered_map<std::string, const CapturedTable*> seen;
  for (const CapturedTable& table : tables) {
    const auto [other, fresh] = seen.emplace(table.name(), &table);
    if (fresh) continue;
    return stop_error("tables " + quote_table(other->second->schema, other->second->table) + " and " +
                          quote_table(table.schema, table.table) + " would share the topic of " +
                          table.name(),
                      "Rename one of them, or leave one's schema out with schema.exclude.list.");
  }
  return {};
}

namespace {

Status check_publication(const Settings& settings, const PublicationFacts& publication,
                         const PublicationPlan& plan) {
  if (!publication.exists && settings.publication_mode == PublicationMode::kDisabled) {
    return stop_error("publication " + settings.publication_name +
                          " is not there, and publication.autocreate.mode is "
                          "disabled",
                      "Make it first: CREATE PUBLICATION " + quote_identifier(settings.publication_name) +
                          " FOR TABLE ...;");
  }
  if (!publication.exists && plan.sql.empty()) {
    return stop_error("no table of database " + settings.connection.database +
                          " matches table.include.list and the "
                          "other lists",
                      "The lists take schema.table, e.g. public.orders; each is matched as a whole.");
  }
  return {};
}

/// What may be added to the publication: nothing that breaks the application, nothing with a gap.
Status check_missing(const Settings& settings, const PublicationPlan& plan,
                     const std::vector<CapturedTable>& tables, const std::vector<TableSchemaPtr>& known) {
  if (!plan.keyless.empty() && !settings.allow_keyless) return keyless_error(plan, tables);
  const std::vector<std::string> lost = captured_before(plan.missing, tables, known);
  if (lost.empty()) return {};
  return stop_error("these tables were captured and have been taken out of publication " +
                        settings.publication_name + ": " + joined(lost, 5) +
                        "; what changed in them since is not in the stream",
                    "To go on without those changes: " + plan.sql +
                        "; to capture the tables no more: table.exclude.list; to have everything: drop the "
                        "slot and start the "
                        "connector anew (or under a new name), so that a snapshot reads the tables again.");
}

Status make_publication(Connection& connection, const Settings& settings, const PublicationPlan& plan,
                        bool exists, bool first_start, Logger& logger) {
  if (auto done = connection.query("making the publication", plan.sql); !done) {
    Error error = std::move(done).error();
    if (error.next == Next::kStop) {
      error.hint = "As the owner of the tables and of the publication: " + plan.sql + ";";
    }
    return error;
  }
  const std::string names = joined(plan.missing, kNamesShown);
  logger.info(exists ? "tables added to the publication" : "publication made",
              {{"connector", settings.connector},
               {"publication", settings.publication_name},
               {"tables", std::string_view(names)}});
  if (exists && !first_start) {
    logger.warn("rows that these tables had before are not captured",
                {{"connector", settings.connector}, {"tables", std::string_view(names)}});
  }
  return {};
}

}  // namespace

Result<std::vector<CapturedTable>> ensure_publication(Connection& connection, const Settings& settings,
                                                      const std::vector<TableSchemaPtr>& known,
                                                      bool first_start, Logger& logger) {
  auto tables = list_tables(connection, settings.filter);
  if (!tables) return std::move(tables).error();
  MILLRACE_TRY(check_names(*tables));
  auto publication = read_publication(connection, settings.publication_name);
  if (!publication) return std::move(publication).error();
  const PublicationPlan plan = plan_publication(settings, *tables, *publication);
  MILLRACE_TRY(check_publication(settings, *publication, plan));
  if (publication->exists && !publication->all_operations) {
    logger.warn("the publication leaves some operations out",
                {{"connector", settings.connector}, {"publication", settings.publication_name}});
  }
  if (const std::string names = joined(hidden_partitions(settings, *tables, *publication), kNamesShown);
      !names.empty()) {
    logger.warn("captured partitions are published as their partitioned table, which no list names",
                {{"connector", settings.connector},
                 {"publication", settings.publication_name},
                 {"tables", std::string_view(names)}});
  }
  if (plan.sql.empty()) {
    const std::string names = joined(plan.missing, kNamesShown);
    if (!names.empty()) {
      logger.warn("captured tables are not in the publication", {{"connector", settings.connector},
                                                                 {"publication", settings.publication_name},
                                                                 {"tables", std::string_view(names)}});
    }
    return tables;
  }
  MILLRACE_TRY(check_missing(settings, plan, *tables, known));
  MILLRACE_TRY(make_publication(connection, settings, plan, publication->exists, first_start, logger));
  return tables;
}

Result<ServerIdentity> identify_system(Connection& replication, std::uint32_t our_timeline) {
  auto rows = replication.query("identifying the server", "IDENTIFY_SYSTEM");
  if (!rows) return std::move(rows).error();
  if (rows->empty() || rows->front().size() < 3) return stop_error("the server did not identify itself");
  const QueryRow& row = rows->front();
  ServerIdentity out;
  out.system_id = row[0].value_or("");
  out.timeline = static_cast<std::uint32_t>(parse_uint64(row[1].value_or("")).value_or(0));
  out.wal_end = parse_lsn(row[2].value_or("")).value_or(0);
  if (our_timeline == 0 || our_timeline == out.timeline) return out;
  auto history =
      replication.query("reading the timeline's history", "TIMELINE_HISTORY " + std::to_string(out.timeline));
  if (!history) {
    // The server has no such file, so it cannot show that our position is part of its past.
    if (replication.refused_with() == "58P01") return out;
    return std::move(history).error();
  }
  if (!history->empty() && history->front().size() >= 2) {
    out.history = parse_timeline_history(history->front()[1].value_or(""));
  }
  return out;
}

Result<std::optional<SlotFacts>> read_slot(Connection& connection, const std::string& name) {
  const std::vector<std::string> parameters = {name};
  auto rows =
      connection.query("reading the replication slot",
                       "SELECT plugin, slot_type, database, active, active_pid, wal_status, restart_lsn, "
                       "confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = $1",
                       parameters);
  if (!rows) return std::move(rows).error();
  if (rows->empty()) return std::optional<SlotFacts>();
  const QueryRow& row = rows->front();
  SlotFacts out;
  out.plugin = row[0].value_or("");
  out.type = row[1].value_or("");
  out.database = row[2].value_or("");
  out.active = row[3] == "t";
  out.active_pid = parse_int64(row[4].value_or("")).value_or(0);
  out.wal_status = row[5].value_or("");
  out.restart = parse_lsn(row[6].value_or("")).value_or(0);
  out.confirmed_flush = parse_lsn(row[7].value_or("")).value_or(0);
  return std::optional<SlotFacts>(std::move(out));
}

Result<NewSlot> create_slot(Connection& replication, const std::string& name, bool export_snapshot,
                            const std::function<void()>& waiting) {
  auto rows =
      replication.query_for_long("making replication slot " + name,
                                 "CREATE_REPLICATION_SLOT " + quote_identifier(name) + " LOGICAL pgoutput " +
                                     (export_snapshot ? "EXPORT_SNAPSHOT" : "NOEXPORT_SNAPSHOT"),
                                 kSayThatSlotWaitsMs, waiting);
  if (!rows) return std::move(rows).error();
  if (rows->empty() || rows->front().size() < 3)
    return stop_error("the server did not say where the slot starts");
  NewSlot out;
  out.start = parse_lsn(rows->front()[1].value_or("")).value_or(0);
  out.snapshot = rows->front()[2].value_or("");
  if (out.start == 0) return stop_error("the server did not say where the slot starts");
  return out;
}

std::string start_replication_command(const Settings& settings, Lsn from) {
  return "START_REPLICATION SLOT " + quote_identifier(settings.slot_name) + " LOGICAL " + lsn_text(from) +
         " (proto_version '1', publication_names " +
         quote_literal(quote_identifier(settings.publication_name)) + ")";
}

}  // namespace millrace::postgres
