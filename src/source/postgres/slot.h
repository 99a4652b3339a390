#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "source/postgres/catalog.h"
#include "source/postgres/client.h"
#include "source/postgres/options.h"
#include "source/postgres/position.h"

/// The objects on the server that make the stream: publication and replication slot.
namespace millrace::postgres {

/// A publication as it is.
struct PublicationFacts {
  bool exists = false;
  bool all_tables = false;
  bool via_root = false;       ///< changes of partitions come as those of the partitioned table
  bool all_operations = true;  ///< publishes insert, update, delete and truncate
  std::vector<std::pair<std::string, std::string>>
      tables;  ///< schema and name, as pg_publication_tables has them

  [[nodiscard]] bool has(std::string_view schema, std::string_view table) const;
};

/// What has to be done so that the publication holds the captured tables.
struct PublicationPlan {
  std::string sql;                   ///< empty: nothing to do
  std::vector<std::string> missing;  ///< captured tables that it does not publish yet
  std::vector<std::string> keyless;  ///< of those, the ones without a replica identity
};

/// Pure. Partitions are published through their partitioned table when that is captured.
[[nodiscard]] PublicationPlan plan_publication(const Settings& settings,
                                               const std::vector<CapturedTable>& tables,
                                               const PublicationFacts& publication);

/// Pure. Of the tables that are missing in the publication, those that were captured before: they were taken
/// out of it, and what changed in them since is not in the stream. `known` are the versions in the log. A
/// table made anew under an old name is a new one.
[[nodiscard]] std::vector<std::string> captured_before(const std::vector<std::string>& missing,
                                                       const std::vector<CapturedTable>& tables,
                                                       const std::vector<TableSchemaPtr>& known);

/// Pure. Captured partitions of which nothing comes under a captured name: the publication has their
/// partitioned table in their place, which no list names.
[[nodiscard]] std::vector<std::string> hidden_partitions(const Settings& settings,
                                                         const std::vector<CapturedTable>& tables,
                                                         const PublicationFacts& publication);

/// Pure. Two tables may have one name once it is written with a dot ("a"."b.c" and "a.b"."c"): their rows
/// would share a topic and their place in the snapshot's ledger.
[[nodiscard]] Status check_names(const std::vector<CapturedTable>& tables);

[[nodiscard]] Result<PublicationFacts> read_publication(Connection& connection, const std::string& name);

/// Makes or widens the publication as `publication.autocreate.mode` says, and answers the captured tables.
/// Refuses tables that have no replica identity (publishing them breaks the application's UPDATE and DELETE)
/// unless told otherwise, and tables that were taken out of it since they were captured. `known` are the
/// versions in the log.
[[nodiscard]] Result<std::vector<CapturedTable>> ensure_publication(Connection& connection,
                                                                    const Settings& settings,
                                                                    const std::vector<TableSchemaPtr>& known,
                                                                    bool first_start, Logger& logger);

/// Of the replication connection. With a timeline other than `our_timeline` the history is read too (0: none
/// of ours).
[[nodiscard]] Result<ServerIdentity> identify_system(Connection& replication, std::uint32_t our_timeline);

[[nodiscard]] Result<std::optional<SlotFacts>> read_slot(Connection& connection, const std::string& name);

struct NewSlot {
  Lsn start = 0;  ///< its consistent point: everything that commits from here on comes through it
  std::string
      snapshot;  ///< name of the exported snapshot, which shows exactly what came before; may be empty
};
/// Makes the slot on the replication connection; the snapshot lives until that connection's next command.
/// Waits for the transactions that are running, however long, and calls `waiting` now and then: one made anew
/// would wait for those that began since.
[[nodiscard]] Result<NewSlot> create_slot(Connection& replication, const std::string& name,
                                          bool export_snapshot, const std::function<void()>& waiting);

[[nodiscard]] std::string start_replication_command(const Settings& settings, Lsn from);

}  // namespace millrace::postgres
