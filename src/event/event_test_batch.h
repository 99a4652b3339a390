#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "event/batch_builder.h"

// For tests, fuzzers and benches of this room only.
namespace millrace {

/// A table of `columns` columns named c0, c1..., the first its key.
inline TableSchemaPtr columns_schema(std::uint32_t id, std::size_t columns) {
  TableSchema schema;
  schema.id = id;
  schema.database = "shop";
  schema.schema = "public";
  schema.table = "t" + std::to_string(id);
  schema.columns.resize(columns);
  for (std::size_t i = 0; i < columns; ++i) schema.columns[i].name = "c" + std::to_string(i);
  if (columns > 0) schema.key_columns = {0};
  return std::make_shared<const TableSchema>(std::move(schema));
}

/// Opens a row with NULL cells; the caller sets them by `first_cell` and adds it.
inline RowRecord begin_row(BatchBuilder& builder, const TableSchemaPtr& schema, Op op, std::size_t before,
                           std::size_t after) {
  RowRecord row;
  row.op = op;
  row.schema = builder.schema(schema);
  row.topic = builder.topic("shop.public." + schema->table);
  row.transaction = builder.transaction();
  row.before_count = static_cast<std::uint16_t>(before);
  row.after_count = static_cast<std::uint16_t>(after);
  row.first_cell = builder.add_cells(before + after);
  return row;
}

inline std::string image_of(const Batch& batch) {
  std::string image;
  for (const std::string_view part : batch.image_parts()) image += part;
  return image;
}

}  // namespace millrace
