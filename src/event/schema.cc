#include "event/schema.h"

#include "event/binary.h"

namespace millrace {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::uint32_t kMaxColumns = 65535;
constexpr std::uint32_t kMaxAllowedValues = 1U << 20U;

void write_column(ByteWriter& writer, const ColumnSchema& column) {
  writer.text(column.name);
  writer.u8(static_cast<std::uint8_t>(column.type));
  writer.u8(static_cast<std::uint8_t>(column.element_type));
  writer.text(column.source_type);
  writer.text(column.base_type);
  writer.u64(static_cast<std::uint64_t>(column.source_type_id));
  writer.u32(static_cast<std::uint32_t>(column.length));
  writer.u32(static_cast<std::uint32_t>(column.scale));
  writer.u8(column.optional ? 1 : 0);
  writer.u8(column.default_text ? 1 : 0);
  if (column.default_text) writer.text(*column.default_text);
  writer.u32(static_cast<std::uint32_t>(column.allowed_values.size()));
  for (const std::string& value : column.allowed_values) writer.text(value);
}

CellType read_type(ByteReader& reader) {
  const std::uint8_t type = reader.u8();
  if (type >= kCellTypeCount) {
    reader.fail();
    return CellType::kNull;
  }
  return static_cast<CellType>(type);
}

ColumnSchema read_column(ByteReader& reader) {
  ColumnSchema column;
  column.name = read_text(reader);
  column.type = read_type(reader);
  column.element_type = read_type(reader);
  column.source_type = read_text(reader);
  column.base_type = read_text(reader);
  column.source_type_id = reader.i64();
  column.length = reader.i32();
  column.scale = reader.i32();
  column.optional = reader.u8() != 0;
  if (reader.u8() != 0) column.default_text = read_text(reader);
  const std::uint32_t values = reader.u32();
  if (values > kMaxAllowedValues) reader.fail();
  for (std::uint32_t i = 0; i < values && reader.ok(); ++i)
    column.allowed_values.push_back(read_text(reader));
  return column;
}

}  // namespace

std::string encode_schema(const TableSchema& schema) {
  ByteWriter writer;
  writer.u8(kVersion);
  writer.u32(schema.id);
  writer.text(schema.database);
  writer.text(schema.schema);
  writer.text(schema.table);
  writer.u64(static_cast<std::uint64_t>(schema.source_table_id));
  writer.u8(static_cast<std::uint8_t>(schema.identity));
  writer.u32(static_cast<std::uint32_t>(schema.columns.size()));
  for (const ColumnSchema& column : schema.columns) write_column(writer, column);
  writer.u32(static_cast<std::uint32_t>(schema.key_columns.size()));
  for (const std::uint16_t index : schema.key_columns) writer.u32(index);
  return writer.take();
}

Result<TableSchema> decode_schema(std::string_view bytes) {
  ByteReader reader(bytes);
  if (const std::uint8_t version = reader.u8(); version != kVersion) {
    return stop_error(
        "a stored table schema has format " + std::to_string(version) + ", this millrace knows 1",
        "it was written by a newer millrace, or the log is damaged");
  }
  TableSchema schema;
  schema.id = reader.u32();
  schema.database = read_text(reader);
  schema.schema = read_text(reader);
  schema.table = read_text(reader);
  schema.source_table_id = reader.i64();
  const std::uint8_t identity = reader.u8();
  if (identity > static_cast<std::uint8_t>(RowIdentity::kNothing)) reader.fail();
  schema.identity = static_cast<RowIdentity>(identity);
  const std::uint32_t columns = reader.u32();
  if (columns > kMaxColumns) reader.fail();
  for (std::uint32_t i = 0; i < columns && reader.ok(); ++i) schema.columns.push_back(read_column(reader));
  const std::uint32_t keys = reader.u32();
  if (keys > columns) reader.fail();
  for (std::uint32_t i = 0; i < keys && reader.ok(); ++i) {
    const std::uint32_t index = reader.u32();
    if (index >= columns) reader.fail();
    schema.key_columns.push_back(static_cast<std::uint16_t>(index));
  }
  if (!reader.ok() || reader.left() != 0) {
    return stop_error("a stored table schema is damaged", "restore the log's directory");
  }
  return schema;
}

std::string full_name(const TableSchema& schema) {
  return schema.schema.empty() ? schema.table : schema.schema + "." + schema.table;
}

std::optional<std::uint16_t> find_column(const TableSchema& schema, std::string_view name) {
  for (std::size_t i = 0; i < schema.columns.size(); ++i) {
    if (schema.columns[i].name == name) return static_cast<std::uint16_t>(i);
  }
  return std::nullopt;
}

}  // namespace millrace
