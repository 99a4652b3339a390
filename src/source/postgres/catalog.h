#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/logging.h"
#include "source/postgres/client.h"
#include "source/postgres/decoder.h"
#include "source/postgres/options.h"
#include "source/postgres/types.h"

namespace millrace::postgres {

/// A table that the lists capture, as the server has it now.
struct CapturedTable {
  std::uint32_t oid = 0;
  std::string schema;
  std::string table;
  char kind = 'r';      ///< pg_class.relkind: r, p
  char identity = 'd';  ///< pg_class.relreplident
  bool has_primary_key = false;
  bool has_identity_index = false;  ///< the index that identity `i` names is there
  bool may_select = false;
  bool rows_hidden = false;  ///< row security holds rows back from this role
  std::int64_t estimated_rows = -1;
  std::string root_schema;  ///< of a partition
  std::string root_table;

  /// UPDATE and DELETE can say which row they mean.
  [[nodiscard]] bool has_identity() const {
    return identity == 'f' || (identity == 'd' && has_primary_key) || (identity == 'i' && has_identity_index);
  }
  [[nodiscard]] std::string name() const { return schema + "." + table; }
};

/// Every table (and partitioned table) that the filter captures, in order of name.
[[nodiscard]] Result<std::vector<CapturedTable>> list_tables(Connection& connection,
                                                             const TableFilter& filter);

/// Key, columns and defaults of one table; nothing when it is not there any more.
[[nodiscard]] Result<std::optional<TableFacts>> read_table(Connection& connection, std::uint32_t oid);

/// Puts `oids` and all that they lead to into `types`. An oid that the catalog does not have is left out.
[[nodiscard]] Status read_types(Connection& connection, const std::vector<std::uint32_t>& oids,
                                TypeCatalog& types);

/// What the catalog told once and may no longer tell, from one connection to the next.
class TableMemory {
 public:
  struct Root {
    std::string schema;
    std::string table;
  };
  /// The uppermost table of a partition; ignored when that is empty.
  void note_root(std::uint32_t oid, const std::string& schema, const std::string& table) {
    if (!table.empty()) roots_.insert_or_assign(oid, Root{schema, table});
  }
  /// Of a partition, also one that was detached or dropped since; null: none is known.
  [[nodiscard]] const Root* root(std::uint32_t oid) const {
    const auto found = roots_.find(oid);
    return found == roots_.end() ? nullptr : &found->second;
  }
  /// True the first time: what is only to be said once.
  [[nodiscard]] bool tell(const std::string& what) { return told_.insert(what).second; }

 private:
  std::unordered_map<std::uint32_t, Root> roots_;
  std::unordered_set<std::string> told_;
};

/// Makes the tables of the stream and of the snapshot, asking the catalog for what a Relation message does
/// not say, and gives each version of a table its number. One thread.
class Catalog final : public TableResolver {
 public:
  /// `connection` is used for each table that is new, and must outlive this. `known` are the versions
  /// numbered so far. `memory` outlives this.
  Catalog(Connection& connection, const Settings& settings, const std::vector<TableSchemaPtr>& known,
          TableMemory& memory, Logger& logger);

  [[nodiscard]] Result<TablePtr> resolve(const Relation& relation) override;
  void note_type(std::uint32_t oid, std::string_view schema, std::string_view name) override;

 private:
  [[nodiscard]] bool is_captured(const Relation& relation, const TableFacts* now);
  TableSchemaPtr number(TableSchema&& schema);

  Connection& connection_;
  const Settings& settings_;
  TableMemory& memory_;
  Logger& logger_;
  std::unordered_set<std::int64_t> logged_;  // tables of which the log has versions
  TypeCatalog types_;
  std::unordered_map<std::uint32_t, TypeFacts> noted_;
  std::unordered_map<std::int64_t, std::vector<TableSchemaPtr>> versions_;
  std::uint32_t next_id_ = 1;
};

}  // namespace millrace::postgres
