#include <algorithm>
#include <utility>

#include "base/text.h"
#include "source/postgres/slot.h"
#include "source/postgres/spec.h"

namespace millrace::postgres {
namespace {

using Level = Finding::Level;

/// Beyond this many tables only those with something to mend are listed.
constexpr std::size_t kMaxListed = 50;
constexpr std::int64_t kConnectTimeoutMs = 4'000;
constexpr std::int64_t kQueryTimeoutMs = 4'000;

class Checker {
 public:
  explicit Checker(Settings settings) : settings_(std::move(settings)) {
    settings_.connection.connect_timeout_ms =
        std::min(settings_.connection.connect_timeout_ms, kConnectTimeoutMs);
  }

  std::vector<Finding> run() {
    auto connection = Connection::open(settings_.connection, Connection::Kind::kNormal, clock_, {});
    const std::string server = settings_.connection.host + ":" + std::to_string(settings_.connection.port);
    if (!connection) {
      findings_.push_back(finding_of("server " + server, connection.error()));
      return std::move(findings_);
    }
    connection_ = std::move(*connection);
    version(server);
    wal_level();
    role();
    const bool has_slot = slot();
    if (!has_slot) free_slots();
    free_senders();
    tables();
    return std::move(findings_);
  }

 private:
  void add(Level level, std::string subject, std::string message, std::string fix = {}) {
    findings_.push_back({level, std::move(subject), std::move(message), std::move(fix)});
  }

  /// The one row of a question, or nothing, which has then been noted.
  std::optional<QueryRow> ask(const std::string& subject, const std::string& sql,
                              const std::vector<std::string>& parameters = {}) {
    auto rows = connection_->query(subject, sql, parameters, kQueryTimeoutMs);
    if (!rows) {
      findings_.push_back(finding_of(subject, rows.error()));
      return std::nullopt;
    }
    if (rows->empty()) return std::nullopt;
    return std::move(rows->front());
  }

  void version(const std::string& server) {
    const int number = connection_->server_version();
    const std::string name =
        "PostgreSQL " + std::to_string(number / 10000) + "." + std::to_string(number % 10000);
    if (number >= 140000) {
      add(Level::kOk, "server " + server, name + ", logged in as " + settings_.connection.user);
    } else {
      add(Level::kError, "server " + server, name + " is too old: 14 or newer is needed",
          "Upgrade the server.");
    }
  }

  void wal_level() {
    const auto row = ask("wal_level", "SHOW wal_level");
    if (!row) return;
    const std::string level = row->front().value_or("");
    if (level == "logical") return add(Level::kOk, "wal_level", "logical");
    add(Level::kError, "wal_level", level + "; logical is needed",
        "ALTER SYSTEM SET wal_level = 'logical'; then restart the server.");
  }

  void role() {
    const std::string subject = "role " + settings_.connection.user;
    const auto row =
        ask(subject, "SELECT rolreplication, rolsuper FROM pg_roles WHERE rolname = current_user");
    if (!row) return;
    if ((*row)[0] == "t" || (*row)[1] == "t") return add(Level::kOk, subject, "may replicate");
    add(Level::kError, subject, "has no REPLICATION right",
        "ALTER ROLE " + quote_identifier(settings_.connection.user) + " REPLICATION;");
  }

  bool slot() {
    const std::string subject = "slot " + settings_.slot_name;
    auto slot = read_slot(*connection_, settings_.slot_name);
    if (!slot) {
      findings_.push_back(finding_of(subject, slot.error()));
      return true;
    }
    if (!slot->has_value()) {
      add(Level::kOk, subject, "will be made");
      return false;
    }
    const Status fits =
        check_resume(std::nullopt, {}, *slot, settings_.slot_name, settings_.connection.database);
    if (fits) {
      add(Level::kOk, subject, "there, confirmed up to " + lsn_text((*slot)->confirmed_flush));
    } else {
      // In use, most likely by this very connector: worth a word, not a stop.
      const bool busy = fits.error().next == Next::kRetry;
      add(busy ? Level::kWarning : Level::kError, subject, fits.error().message, fits.error().hint);
      findings_.back().by_own_process = busy;
    }
    return true;
  }

  void free_slots() {
    const auto row = ask("max_replication_slots",
                         "SELECT current_setting('max_replication_slots')::int, (SELECT count(*) FROM "
                         "pg_replication_slots)");
    if (row) room("max_replication_slots", "replication slots", *row);
  }

  void free_senders() {
    const auto row =
        ask("max_wal_senders",
            "SELECT current_setting('max_wal_senders')::int, (SELECT count(*) FROM pg_stat_activity WHERE "
            "backend_type = 'walsender')");
    if (row) room("max_wal_senders", "replication connections", *row);
  }

  void room(const std::string& setting, const std::string& what, const QueryRow& row) {
    const std::int64_t most = parse_int64(row[0].value_or("")).value_or(0);
    const std::int64_t used = parse_int64(row[1].value_or("")).value_or(0);
    const std::string message = std::to_string(used) + " of " + std::to_string(most) + " " + what + " in use";
    if (used < most) return add(Level::kOk, setting, message);
    add(Level::kError, setting, message + ": none is free",
        "ALTER SYSTEM SET " + setting + " = " + std::to_string(most + 5) + "; then restart the server" +
            (setting == "max_replication_slots" ? ", or drop a slot that is not needed." : "."));
  }

  void tables() {
    auto tables = list_tables(*connection_, settings_.filter);
    if (!tables) return add(Level::kError, "tables", tables.error().message, tables.error().hint);
    const auto leaves = static_cast<std::size_t>(
        std::count_if(tables->begin(), tables->end(), [](const CapturedTable& t) { return t.kind != 'p'; }));
    if (tables->empty()) {
      return add(Level::kError, "tables", "no table matches table.include.list and the other lists",
                 "The lists take schema.table, e.g. public.orders; each is matched as a whole.");
    }
    add(Level::kOk, "tables", std::to_string(leaves) + " match");
    if (const Status named = check_names(*tables); !named) {
      add(Level::kError, "tables", named.error().message, named.error().hint);
    }
    unmatched(*tables);
    auto publication = read_publication(*connection_, settings_.publication_name);
    if (!publication)
      return add(Level::kError, "publication", publication.error().message, publication.error().hint);
    const PublicationPlan plan = plan_publication(settings_, *tables, *publication);
    look_at_publication(*publication, plan);
    for (const std::string& partition : hidden_partitions(settings_, *tables, *publication)) {
      add(Level::kError, "table " + partition,
          "is published as its partitioned table, which no list names, so nothing of it is captured",
          "Name the partitioned table in table.include.list, or ALTER PUBLICATION " +
              quote_identifier(settings_.publication_name) + " SET (publish_via_partition_root = false);");
    }
    for (const CapturedTable& table : *tables) {
      if (table.kind != 'p') look_at_table(table, plan, leaves <= kMaxListed);
      look_at_row_security(table);
    }
  }

  /// The policies that count are those of the table that is read: a leaf, or the partitioned table for it.
  void look_at_row_security(const CapturedTable& table) {
    const bool read = settings_.via_partition_root ? table.root_table.empty() : table.kind != 'p';
    if (!table.rows_hidden || !read || settings_.snapshot_mode != SnapshotMode::kInitial) return;
    add(Level::kError, "table " + table.name(),
        "row security may hold rows back from the role, so the snapshot is refused",
        "As a superuser: ALTER ROLE " + quote_identifier(settings_.connection.user) + " BYPASSRLS;");
  }

  /// Each entry of the include list that no table answers to: most likely a name that is misspelt.
  void unmatched(const std::vector<CapturedTable>& tables) {
    for (const std::string& pattern : settings_.table_include) {
      auto one = PatternList::compile({pattern}, true);
      if (!one) continue;
      const bool found = std::any_of(tables.begin(), tables.end(), [&](const CapturedTable& t) {
        return one->matches(t.schema + "." + t.table) || one->matches(t.root_schema + "." + t.root_table);
      });
      if (found) continue;
      add(Level::kWarning, "tables", "no table matches `" + pattern + "` of table.include.list",
          "Correct the name, or create the table: it is captured from the next start on.");
    }
  }

  void look_at_publication(const PublicationFacts& publication, const PublicationPlan& plan) {
    const std::string subject = "publication " + settings_.publication_name;
    if (publication.exists && !publication.all_operations) {
      add(Level::kWarning, subject, "leaves some of insert, update, delete and truncate out",
          "ALTER PUBLICATION " + quote_identifier(settings_.publication_name) +
              " SET (publish = 'insert, update, delete, truncate');");
    }
    if (plan.sql.empty()) {
      if (!publication.exists) {
        return add(Level::kError, subject, "is not there, and publication.autocreate.mode does not make it",
                   "CREATE PUBLICATION " + quote_identifier(settings_.publication_name) + " FOR TABLE ...;");
      }
      if (plan.missing.empty()) return add(Level::kOk, subject, "there, with all captured tables");
      return add(Level::kWarning, subject,
                 std::to_string(plan.missing.size()) + " captured tables are not in it",
                 "ALTER PUBLICATION " + quote_identifier(settings_.publication_name) + " ADD TABLE ...;");
    }
    if (may_publish()) {
      return add(Level::kOk, subject, publication.exists ? "tables will be added" : "will be made");
    }
    add(Level::kError, subject,
        publication.exists ? "lacks captured tables, and the role may not add them"
                           : "is not there, and the role may not make it",
        plan.sql + ";");
  }

  /// Making a publication takes CREATE on the database and ownership of each table.
  bool may_publish() {
    const std::vector<std::string> parameters = {settings_.publication_name};
    const auto row =
        ask("publication " + settings_.publication_name,
            "SELECT r.rolsuper OR (has_database_privilege(current_database(), 'CREATE') AND NOT EXISTS "
            "(SELECT 1 FROM pg_publication WHERE pubname = $1 AND NOT pg_has_role(pubowner, 'USAGE'))) "
            "FROM pg_roles r WHERE r.rolname = current_user",
            parameters);
    return row && row->front() == "t";
  }

  void look_at_table(const CapturedTable& table, const PublicationPlan& plan, bool list_good) {
    const std::string subject = "table " + table.name();
    const std::string quoted = quote_table(table.schema, table.table);
    bool good = true;
    if (!table.has_identity()) {
      const bool refused = !settings_.allow_keyless && std::find(plan.keyless.begin(), plan.keyless.end(),
                                                                 table.name()) != plan.keyless.end();
      add(refused ? Level::kError : Level::kWarning, subject,
          "has no key and no replica identity: once it is published, the application's UPDATE and DELETE on "
          "it fail",
          "ALTER TABLE " + quoted +
              " REPLICA IDENTITY FULL; or add a primary key, or leave it out with "
              "table.exclude.list, or set publication.allow.keyless: true");
      good = false;
    }
    if (!table.may_select && settings_.snapshot_mode == SnapshotMode::kInitial) {
      add(Level::kError, subject, "the role may not read it, as the snapshot must",
          "GRANT USAGE ON SCHEMA " + quote_identifier(table.schema) + " TO " +
              quote_identifier(settings_.connection.user) + "; GRANT SELECT ON " + quoted + " TO " +
              quote_identifier(settings_.connection.user) + ";");
      good = false;
    }
    if (good && list_good && !table.rows_hidden) add(Level::kOk, subject, identity_words(table));
  }

  static std::string identity_words(const CapturedTable& table) {
    switch (table.identity) {
      case 'f':
        return "replica identity full";
      case 'i':
        return "replica identity by index";
      default:
        return "replica identity default (primary key)";
    }
  }

  Settings settings_;
  SystemClock clock_;
  std::unique_ptr<Connection> connection_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> check_postgres(const ConnectorConfig& config) {
  auto settings = read_settings(config);
  if (!settings) return {{Level::kError, "options", settings.error().message, settings.error().hint}};
  return Checker(std::move(*settings)).run();
}

}  // namespace millrace::postgres
