#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "event/schema.h"
#include "source/postgres/protocol.h"
#include "source/postgres/values.h"

/// What PostgreSQL's catalog says of types and tables, and how a Relation message becomes a schema with it.
/// Pure.
namespace millrace::postgres {

/// A row of pg_type, as far as it matters here.
struct TypeFacts {
  std::uint32_t oid = 0;
  std::string schema;
  std::string name;
  bool of_extension = false;        ///< made by an extension: named without its schema, as pg_catalog's are
  char kind = 'b';                  ///< pg_type.typtype
  std::uint32_t base_oid = 0;       ///< of a domain
  std::int32_t type_modifier = -1;  ///< of a domain
  std::uint32_t element_oid = 0;    ///< of a true array
  char delimiter = ',';             ///< between elements of this type in an array
  std::vector<std::string> labels;  ///< of an enum, in order
};

/// The types seen so far, by oid.
class TypeCatalog {
 public:
  void put(TypeFacts facts);
  [[nodiscard]] const TypeFacts* find(std::uint32_t oid) const;
  /// Oids that `oid` leads to (element, base) and that are not known yet, itself included.
  [[nodiscard]] std::vector<std::uint32_t> missing(std::uint32_t oid) const;
  /// Forgets everything but what cannot change (pg_catalog), so that new labels of an enum are seen.
  void forget_user_types();

 private:
  std::unordered_map<std::uint32_t, TypeFacts> types_;
};

/// A table as the catalog has it now, which may be later than the place in the stream.
struct TableFacts {
  struct Column {
    std::string name;
    std::uint32_t type_oid = 0;
    bool not_null = false;
    std::optional<std::string> default_expression;  ///< pg_get_expr; none for generated columns
  };
  std::vector<Column> columns;
  std::vector<std::string>
      key;                  ///< the primary key's columns in order, or those of a unique index without NULLs
  std::string root_schema;  ///< of a partition: the uppermost table
  std::string root_table;
};

/// How the rows of one table are read: its schema, and the form of each column's text.
struct TableLayout {
  TableSchema schema;
  std::vector<ValueFormat> formats;
  std::vector<bool> in_identity;
};

/// Builds the layout of a table. Names and types are the Relation's; the catalog only adds nullability,
/// defaults and the key's order where it names the same columns. The key is the replica identity's (what
/// every delete is sure to carry); with FULL, NOTHING or no identity it is the catalog's. `facts` may be
/// null. `schema.id` stays 0.
[[nodiscard]] TableLayout describe_table(const Relation& relation, const TypeCatalog& types,
                                         const TableFacts* facts, std::string_view database);

/// How a type's text is read, domains looked through.
[[nodiscard]] ValueFormat value_format(std::uint32_t type_oid, const TypeCatalog& types);

/// The text of a constant default, as the server would print the value (`t` for true): from what pg_get_expr
/// gives, e.g.
/// `'it''s'::text`, `(-1)`, `1.50`. Nothing for NULL and for anything that has to be computed.
[[nodiscard]] std::optional<std::string> constant_default(std::string_view expression);

/// Same in everything but the id.
[[nodiscard]] bool same_shape(const TableSchema& a, const TableSchema& b);

/// `"a"."b"`, with quotes doubled.
[[nodiscard]] std::string quote_identifier(std::string_view name);
[[nodiscard]] std::string quote_table(std::string_view schema, std::string_view table);
/// `'a'`, for values in commands that take no parameters.
[[nodiscard]] std::string quote_literal(std::string_view text);
/// The plain text of a cell (format/row_json.h) as an expression that the server takes for a value of its
/// column: dates before the year 1 and behind 9999, and bytes, have another form there.
[[nodiscard]] std::string plain_text_literal(CellType type, std::string_view text);

}  // namespace millrace::postgres
