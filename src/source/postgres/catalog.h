#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
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

/// Makes the tables of the stream and of the snapshot, asking the catalog for what a Relation message does
/// not say, and gives each version of a table its number. One thread.
class Catalog final : public TableResolver {
 public:
  /// `connection` is used for each table that is new, and must outlive this. `known` are the versions
  /// numbered so far.
  Catalog(Connection& connection, const Settings& settings, const std::vector<TableSchemaPtr>& known,
          Logger& logger);

  [[nodiscard]] Result<TablePtr> resolve(const Relation& relation) override;
  void note_type(std::uint32_t oid, std::string_view schema, std::string_view name) override;

 private:
  TableSchemaPtr number(TableSchema&& schema);

  Connection& connection_;
  const Settings& settings_;
  Logger& logger_;
  TypeCatalog types_;
  std::unordered_map<std::uint32_t, TypeFacts> noted_;
  std::unordered_map<std::int64_t, std::vector<TableSchemaPtr>> versions_;
  std::uint32_t next_id_ = 1;
};

}  // namespace millrace::postgres
