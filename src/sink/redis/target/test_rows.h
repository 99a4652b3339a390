#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connect/sink.h"
#include "event/batch_builder.h"

namespace millrace::redis {

/// Makes batches for tests and benches: text, integers, NULL and kept values.
struct TestCell {
  CellType type = CellType::kNull;
  std::int64_t number = 0;
  std::string text;

  // Not explicit, so that tables in tests stay short.
  // NOLINTBEGIN(google-explicit-constructor)
  TestCell(int value) : type(CellType::kInt64), number(value) {}
  TestCell(std::int64_t value) : type(CellType::kInt64), number(value) {}
  TestCell(const char* value) : type(CellType::kText), text(value) {}
  TestCell(std::string value) : type(CellType::kText), text(std::move(value)) {}
  // NOLINTEND(google-explicit-constructor)
  explicit TestCell(CellType mark) : type(mark) {}
  TestCell(CellType of, std::int64_t word) : type(of), number(word) {}
  TestCell(CellType of, std::string bytes) : type(of), text(std::move(bytes)) {}
};
inline const TestCell kNullCell{CellType::kNull};
inline const TestCell kKept{CellType::kUnchanged};
inline const TestCell kNotSent{CellType::kAbsent};

/// Table `table` of schema `public` with the columns given; the first `keys` of them are its key.
inline TableSchemaPtr test_schema(std::string_view table, std::initializer_list<const char*> columns,
                                  std::size_t keys = 1) {
  auto schema = std::make_shared<TableSchema>();
  // Within a batch a version is known by its number.
  schema->id =
      static_cast<std::uint32_t>(std::hash<std::string_view>()(table) % 100'000 * 100 + columns.size());
  schema->database = "shop";
  schema->schema = "public";
  schema->table = table;
  for (const char* name : columns) {
    ColumnSchema column;
    column.name = name;
    if (schema->key_columns.size() < keys)
      schema->key_columns.push_back(static_cast<std::uint16_t>(schema->columns.size()));
    schema->columns.push_back(column);
  }
  return schema;
}

class TestBatch {
 public:
  using Cells = std::vector<TestCell>;

  TestBatch() { builder_.begin_transaction("1", 1, 0); }

  TestBatch& add(Op op, const TableSchemaPtr& schema, const Cells& before, const Cells& after) {
    RowRecord row;
    row.op = op;
    row.schema = builder_.schema(schema);
    row.topic = builder_.topic("shop." + schema->schema + "." + schema->table);
    row.before_count = static_cast<std::uint16_t>(before.size());
    row.after_count = static_cast<std::uint16_t>(after.size());
    row.first_cell = builder_.add_cells(before.size() + after.size());
    row.index = static_cast<std::uint32_t>(builder_.rows());
    std::uint32_t at = row.first_cell;
    for (const TestCell& cell : before) put(at++, cell);
    for (const TestCell& cell : after) put(at++, cell);
    builder_.add_row(row);
    return *this;
  }
  TestBatch& insert(const TableSchemaPtr& schema, const Cells& after) {
    return add(Op::kInsert, schema, {}, after);
  }
  TestBatch& update(const TableSchemaPtr& schema, const Cells& before, const Cells& after) {
    return add(Op::kUpdate, schema, before, after);
  }
  TestBatch& remove(const TableSchemaPtr& schema, const Cells& before) {
    return add(Op::kDelete, schema, before, {});
  }
  TestBatch& truncate(const TableSchemaPtr& schema) {
    RowRecord row;
    row.op = Op::kTruncate;
    row.schema = builder_.schema(schema);
    row.topic = builder_.topic("shop." + schema->schema + "." + schema->table);
    row.first_cell = builder_.add_cells(schema->columns.size());
    row.after_count = static_cast<std::uint16_t>(schema->columns.size());
    builder_.add_row(row);
    return *this;
  }

  /// Everything so far as batch `sequence` of stream 1, all topics selected.
  ReadBatch read(std::uint64_t sequence) {
    builder_.end_transaction();
    ReadBatch rows;
    rows.batch = builder_.seal();
    builder_.begin_transaction("1", 1, 0);
    rows.stream = 1;
    rows.sequence = sequence;
    rows.end_row = static_cast<std::uint32_t>(rows.batch->size());
    rows.topic_selected.assign(rows.batch->topics().size(), true);
    rows.after.set({1, sequence + 1, 0});
    return rows;
  }

 private:
  void put(std::uint32_t at, const TestCell& cell) {
    Cell made = BatchBuilder::put_mark(cell.type);
    if (cell.type > CellType::kAbsent && storage_of(cell.type) == CellStorage::kWord)
      made = BatchBuilder::put_word(cell.type, static_cast<std::uint64_t>(cell.number));
    if (storage_of(cell.type) == CellStorage::kBytes) made = builder_.put_bytes(cell.type, cell.text);
    builder_.cell(at) = made;
  }
  BatchBuilder builder_{{64U << 20U, 1U << 20U}};
};

}  // namespace millrace::redis
