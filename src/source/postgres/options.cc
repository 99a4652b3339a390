#include "source/postgres/options.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

namespace millrace::postgres {
namespace {

constexpr std::size_t kMaxNameBytes = 63;  // NAMEDATALEN - 1

std::vector<OptionSpec> connection_options() {
  using enum OptionType;
  using enum Importance;
  constexpr std::string_view kConnection = "connection";
  return {
      {.name = "database.hostname",
       .required = true,
       .importance = kHigh,
       .group = kConnection,
       .doc = "Name or address of the PostgreSQL server, or the folder of its Unix socket."},
      {.name = "database.port",
       .type = kInteger,
       .default_value = "5432",
       .importance = kHigh,
       .group = kConnection,
       .doc = "Port of the server.",
       .minimum = 1,
       .maximum = 65535},
      {.name = "database.user",
       .required = true,
       .importance = kHigh,
       .group = kConnection,
       .doc = "Role to log in as. It needs LOGIN and REPLICATION, for a snapshot SELECT on the tables, and "
              "BYPASSRLS where row security would hide rows."},
      {.name = "database.password",
       .type = kSecret,
       .importance = kHigh,
       .group = kConnection,
       .doc = "Password of the role."},
      {.name = "database.dbname",
       .required = true,
       .importance = kHigh,
       .group = kConnection,
       .doc = "The database whose tables are captured."},
      {.name = "database.sslmode",
       .type = kEnum,
       .default_value = "prefer",
       .group = kConnection,
       .doc = "How far TLS is insisted on, as in libpq.",
       .choices = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}},
      {.name = "database.sslrootcert",
       .group = kConnection,
       .doc = "File with the certificates trusted to sign the server's."},
      {.name = "database.sslcert", .group = kConnection, .doc = "File with the client's certificate."},
      {.name = "database.sslkey", .group = kConnection, .doc = "File with the client's key."},
      {.name = "database.sslpassword",
       .type = kSecret,
       .group = kConnection,
       .doc = "Passphrase of the client's key."},
      {.name = "database.tcpKeepAlive",
       .type = kBoolean,
       .default_value = "true",
       .importance = kLow,
       .group = kConnection,
       .doc = "Whether TCP keep-alive probes look after silent connections."},
      {.name = "connect.timeout.ms",
       .type = kInteger,
       .default_value = "10000",
       .importance = kLow,
       .group = kConnection,
       .doc = "How long one attempt to connect may take.",
       .minimum = 100,
       .maximum = 600000},
  };
}

std::vector<OptionSpec> table_options() {
  using enum OptionType;
  using enum Importance;
  constexpr std::string_view kTables = "tables";
  return {
      {.name = "topic.prefix",
       .required = true,
       .importance = kHigh,
       .group = kTables,
       .doc = "First part of each topic: <topic.prefix>.<schema>.<table>."},
      {.name = "table.include.list",
       .type = kPatternList,
       .importance = kHigh,
       .group = kTables,
       .doc = "Regular expressions, anchored and without regard to case, of the tables to capture, as "
              "schema.table. Unset: all tables. A partition is captured when its own name or its partitioned "
              "table's matches."},
      {.name = "table.exclude.list",
       .type = kPatternList,
       .group = kTables,
       .doc = "Tables not to capture. Not together with table.include.list."},
      {.name = "schema.include.list",
       .type = kPatternList,
       .group = kTables,
       .doc = "Regular expressions of the schemas whose tables are captured."},
      {.name = "schema.exclude.list",
       .type = kPatternList,
       .group = kTables,
       .doc = "Schemas whose tables are not captured. Not together with schema.include.list."},
  };
}

constexpr std::string_view kReplication = "replication";

std::vector<OptionSpec> slot_options() {
  using enum OptionType;
  using enum Importance;
  return {
      {.name = "plugin.name",
       .type = kEnum,
       .default_value = "pgoutput",
       .importance = kLow,
       .group = kReplication,
       .doc = "The server's output plugin. Only pgoutput, which every server has, is spoken.",
       .choices = {"pgoutput"}},
      {.name = "slot.name",
       .importance = kHigh,
       .group = kReplication,
       .doc = "The replication slot, made when it is not there. One made before is used from its confirmed "
              "position when the connector has no position of its own. Unset: millrace_<connector>."},
      {.name = "slot.drop.on.stop",
       .type = kBoolean,
       .default_value = "false",
       .importance = kLow,
       .group = kReplication,
       .doc =
           "Drop the slot at an orderly stop, which a pause or a restart of the connector is too. For trials "
           "only: the connector cannot go on where it was."},
  };
}

std::vector<OptionSpec> publication_options() {
  using enum OptionType;
  using enum Importance;
  return {
      {.name = "publication.name",
       .importance = kHigh,
       .group = kReplication,
       .doc = "The publication that the slot reads. Unset: millrace_<connector>."},
      {.name = "publication.autocreate.mode",
       .type = kEnum,
       .default_value = "filtered",
       .group = kReplication,
       .doc =
           "filtered: a publication of exactly the captured tables is made, and tables missing in one "
           "that is there are added; one that was captured and then taken out of it is refused, because the "
           "changes since are lost. disabled: it must be there. all_tables: FOR ALL TABLES (needs a "
           "superuser). no_tables: an empty one, filled by others.",
       .choices = {"filtered", "disabled", "all_tables", "no_tables"}},
      {.name = "publish.via.partition.root",
       .type = kBoolean,
       .default_value = "false",
       .importance = kLow,
       .group = kReplication,
       .doc =
           "For a publication that is made: changes of partitions come as changes of the partitioned table."},
      {.name = "publication.allow.keyless",
       .type = kBoolean,
       .default_value = "false",
       .importance = kLow,
       .group = kReplication,
       .doc = "Publish tables that have neither a key nor a replica identity. From then on the server "
              "refuses the application's UPDATE and DELETE on them, so such tables are refused here unless "
              "this says otherwise."},
  };
}

std::vector<OptionSpec> position_options() {
  using enum OptionType;
  using enum Importance;
  return {
      {.name = "status.update.interval.ms",
       .type = kInteger,
       .default_value = "10000",
       .importance = kLow,
       .group = kReplication,
       .doc = "At least this often the server is told how far everything is on disk.",
       .minimum = 100,
       .maximum = 60000},
      {.name = "heartbeat.interval.ms",
       .type = kInteger,
       .default_value = "10000",
       .importance = kLow,
       .group = kReplication,
       .doc = "While no captured table changes, the position follows the server's log at most this often, so "
              "an idle connector never holds WAL back. No record is written and no table is needed for it.",
       .minimum = 100,
       .maximum = 3600000},
  };
}

std::vector<OptionSpec> snapshot_options() {
  using enum OptionType;
  using enum Importance;
  constexpr std::string_view kSnapshot = "snapshot";
  return {
      {.name = "snapshot.mode",
       .type = kEnum,
       .default_value = "initial",
       .importance = kHigh,
       .group = kSnapshot,
       .doc = "initial: the tables are read once, before the first change. no_data: only changes from now on "
              "(or from the slot's position) are captured.",
       .choices = {"initial", "no_data"}},
  };
}

std::vector<OptionSpec> reselect_options() {
  using enum OptionType;
  using enum Importance;
  constexpr std::string_view kReselect = "reselect";
  return {
      {.name = "reselect.unavailable.values",
       .type = kBoolean,
       .default_value = "false",
       .group = kReselect,
       .doc =
           "Large values (TOAST) that an UPDATE left alone are not in the stream. With this they are read "
           "from "
           "the table by the row's key, many rows in one statement, and may then be newer than the change "
           "they "
           "come with. A row that is gone by then keeps its mark of an unchanged value. Not needed where the "
           "target has the row already, or with REPLICA IDENTITY FULL."},
      {.name = "reselect.columns.include.list",
       .type = kPatternList,
       .group = kReselect,
       .doc = "Regular expressions, anchored and without regard to case, of the columns to read so, as "
              "schema.table:column. Unset: all."},
      {.name = "reselect.columns.exclude.list",
       .type = kPatternList,
       .group = kReselect,
       .doc = "Columns not to read so. Not together with reselect.columns.include.list."},
      {.name = "reselect.error.handling.mode",
       .type = kEnum,
       .default_value = "warn",
       .importance = kLow,
       .group = kReselect,
       .doc = "When the server refuses to give them (a right that lacks, a table that has changed). warn: "
              "the values "
              "keep their mark, and the log says so once for each table. fail: the connector ends.",
       .choices = {"warn", "fail"}},
  };
}

std::vector<OptionSpec> make_options() {
  std::vector<OptionSpec> out;
  for (std::vector<OptionSpec> group :
       {connection_options(), table_options(), slot_options(), publication_options(), position_options(),
        snapshot_options(), reselect_options()}) {
    std::move(group.begin(), group.end(), std::back_inserter(out));
  }
  return out;
}

void check_object_name(const char* option, const std::string& name, bool is_slot, SettingFaults& faults) {
  const bool fits = !name.empty() && name.size() <= kMaxNameBytes;
  const bool plain = !is_slot || std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (fits && plain) return;
  faults.add(option, "'" + name + "' is no name for one",
             is_slot ? "lower-case letters, digits and underscores are, 63 at most" : "63 bytes at most");
}

void check_not_both(const ConnectorConfig& config, const char* include, const char* exclude,
                    SettingFaults& faults) {
  if (config.list(include).empty() || config.list(exclude).empty()) return;
  faults.add(exclude, std::string(include) + " is set too", "keep one of them");
}

}  // namespace

std::string default_object_name(std::string_view connector) {
  std::string out = "millrace_";
  for (const char c : connector) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    const bool allowed = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
    out.push_back(allowed ? lower : '_');
  }
  return out.substr(0, kMaxNameBytes);
}

std::span<const OptionSpec> postgres_options() {
  static const std::vector<OptionSpec> options = make_options();
  return options;
}

TableFilter TableFilter::make(const ConnectorConfig& config, SettingFaults& faults) {
  TableFilter out;
  const std::pair<const char*, PatternList*> lists[] = {{"schema.include.list", &out.schema_include_},
                                                        {"schema.exclude.list", &out.schema_exclude_},
                                                        {"table.include.list", &out.table_include_},
                                                        {"table.exclude.list", &out.table_exclude_}};
  for (const auto& [name, list] : lists) {
    auto compiled = PatternList::compile(config.list(name), true);
    if (compiled) {
      *list = std::move(*compiled);
    } else {
      faults.add(name, compiled.error());
    }
  }
  check_not_both(config, "schema.include.list", "schema.exclude.list", faults);
  check_not_both(config, "table.include.list", "table.exclude.list", faults);
  return out;
}

ReselectFilter ReselectFilter::make(const ConnectorConfig& config, SettingFaults& faults) {
  ReselectFilter out;
  out.enabled_ = config.boolean("reselect.unavailable.values");
  for (const auto& [name, list] : {std::pair("reselect.columns.include.list", &out.include_),
                                   std::pair("reselect.columns.exclude.list", &out.exclude_)}) {
    auto compiled = PatternList::compile(config.list(name), true);
    if (!compiled) {
      faults.add(name, compiled.error());
      continue;
    }
    *list = std::move(*compiled);
    if (!list->empty() && !out.enabled_)
      faults.add(name, "it means nothing without reselect.unavailable.values: true");
  }
  check_not_both(config, "reselect.columns.include.list", "reselect.columns.exclude.list", faults);
  return out;
}

bool ReselectFilter::takes(std::string_view column) const {
  return enabled_ && (include_.empty() || include_.matches(column)) && !exclude_.matches(column);
}

bool TableFilter::captures(std::string_view schema, std::string_view table) const {
  if (schema == "information_schema" || schema.starts_with("pg_")) return false;
  if (!schema_include_.empty() && !schema_include_.matches(schema)) return false;
  if (schema_exclude_.matches(schema)) return false;
  const std::string name = std::string(schema) + "." + std::string(table);
  if (!table_include_.empty() && !table_include_.matches(name)) return false;
  return !table_exclude_.matches(name);
}

bool TableFilter::captures(std::string_view schema, std::string_view table, std::string_view root_schema,
                           std::string_view root_table) const {
  if (root_table.empty()) return captures(schema, table);
  // A partition that is excluded by its own name stays out; one that is named, or whose root is, goes in.
  return !excludes(schema, table) && (captures(schema, table) || captures(root_schema, root_table));
}

bool TableFilter::excludes(std::string_view schema, std::string_view table) const {
  return schema_exclude_.matches(schema) ||
         table_exclude_.matches(std::string(schema) + "." + std::string(table));
}

Result<Settings> read_settings(const ConnectorConfig& config) {
  SettingFaults faults;
  Settings settings = read_settings(config, faults);
  if (!faults.empty()) return faults.error();
  return settings;
}

Settings read_settings(const ConnectorConfig& config, SettingFaults& faults) {
  Settings out;
  out.connector = config.connector();
  out.filter = TableFilter::make(config, faults);
  out.table_include = config.list("table.include.list");
  out.reselect = ReselectFilter::make(config, faults);
  out.reselect_must_succeed = config.text("reselect.error.handling.mode") == "fail";
  ConnectionSettings& c = out.connection;
  c.host = config.text("database.hostname");
  c.port = config.integer("database.port");
  c.user = config.text("database.user");
  c.password = config.text("database.password");
  c.database = config.text("database.dbname");
  c.sslmode = config.text("database.sslmode");
  c.sslcert = config.text("database.sslcert");
  c.sslkey = config.text("database.sslkey");
  c.sslpassword = config.text("database.sslpassword");
  c.sslrootcert = config.text("database.sslrootcert");
  c.keep_alive = config.boolean("database.tcpKeepAlive");
  c.connect_timeout_ms = config.integer("connect.timeout.ms");
  c.application_name = "millrace " + config.connector();
  out.topic_prefix = config.text("topic.prefix");
  const std::string made_name = default_object_name(config.connector());
  out.slot_name = config.has("slot.name") ? config.text("slot.name") : made_name;
  out.publication_name = config.has("publication.name") ? config.text("publication.name") : made_name;
  check_object_name("slot.name", out.slot_name, true, faults);
  check_object_name("publication.name", out.publication_name, false, faults);
  out.drop_slot_on_stop = config.boolean("slot.drop.on.stop");
  const std::string& mode = config.text("publication.autocreate.mode");
  out.publication_mode = mode == "disabled"     ? PublicationMode::kDisabled
                         : mode == "all_tables" ? PublicationMode::kAllTables
                         : mode == "no_tables"  ? PublicationMode::kNoTables
                                                : PublicationMode::kFiltered;
  out.via_partition_root = config.boolean("publish.via.partition.root");
  out.allow_keyless = config.boolean("publication.allow.keyless");
  out.snapshot_mode =
      config.text("snapshot.mode") == "no_data" ? SnapshotMode::kNoData : SnapshotMode::kInitial;
  out.status_interval_ms = config.integer("status.update.interval.ms");
  out.heartbeat_interval_ms = config.integer("heartbeat.interval.ms");
  return out;
}

}  // namespace millrace::postgres
