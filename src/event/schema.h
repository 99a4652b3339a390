#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/cell.h"

namespace millrace {

/// A column as the source declares it, with all that a format needs to render what its readers expect.
struct ColumnSchema {
  std::string name;
  CellType type = CellType::kText;          ///< of a cell that has a value; kArray for arrays
  CellType element_type = CellType::kText;  ///< of the elements when `type` is kArray
  std::string source_type;                  ///< the source's own name, e.g. `numeric`, `_int4`, `public.mood`
  std::string base_type;            ///< `source_type` with domains looked through; for arrays: of the element
  std::int64_t source_type_id = 0;  ///< PostgreSQL: type oid
  std::int32_t length = -1;         ///< declared length, precision or bits; -1: none
  std::int32_t scale = -1;          ///< declared scale or fraction digits; -1: none
  bool optional = true;             ///< NULL is allowed
  std::optional<std::string> default_text;  ///< constant default as the source prints it
  std::vector<std::string> allowed_values;  ///< of an enum, in order

  friend bool operator==(const ColumnSchema&, const ColumnSchema&) = default;
};

/// How much of the old row the source sends with updates and deletes (PostgreSQL: REPLICA IDENTITY).
enum class RowIdentity : std::uint8_t { kDefault, kFull, kIndex, kNothing };

/// One version of a table. Immutable once shared. A stream numbers the versions it has seen; a row names the
/// version it was written under, so old rows stay readable after the table has changed.
struct TableSchema {
  std::uint32_t id = 0;  ///< number within its stream, given by the source, never reused; 0 is none
  std::string database;
  std::string schema;
  std::string table;
  std::int64_t source_table_id = 0;  ///< PostgreSQL: relation oid
  RowIdentity identity = RowIdentity::kDefault;
  std::vector<ColumnSchema> columns;
  std::vector<std::uint16_t> key_columns;  ///< indexes of the key's columns in key order; empty: no key

  friend bool operator==(const TableSchema&, const TableSchema&) = default;
};

using TableSchemaPtr = std::shared_ptr<const TableSchema>;

/// Bytes for the log, with a format version; `decode_schema` checks every bound.
[[nodiscard]] std::string encode_schema(const TableSchema& schema);
[[nodiscard]] Result<TableSchema> decode_schema(std::string_view bytes);

/// `public.flights`; the table alone where there are no schemas.
[[nodiscard]] std::string full_name(const TableSchema& schema);

/// Index of the column called `name`, or nothing.
[[nodiscard]] std::optional<std::uint16_t> find_column(const TableSchema& schema, std::string_view name);

}  // namespace millrace
