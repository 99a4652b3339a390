#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event/batch_builder.h"
#include "event/position.h"

namespace millrace {

// Small batches for tests of logs.

struct TestRow {
  std::string topic;
  std::uint64_t transaction = 1;
  std::string value;
};

inline TableSchemaPtr test_schema(std::uint32_t id, const std::string& column = "value") {
  TableSchema schema;
  schema.id = id;
  schema.table = "t";
  schema.columns.resize(1);
  schema.columns[0].name = column;
  return std::make_shared<const TableSchema>(schema);
}

/// Rows under schema 1; the first `complete` of them in transactions that have ended.
inline BatchPtr test_batch(const std::vector<TestRow>& rows, std::size_t complete,
                           std::int64_t received_us = 1000, const TableSchemaPtr& schema = test_schema(1)) {
  BatchBuilder builder;
  builder.set_received_us(received_us);
  std::uint64_t open = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (open != rows[i].transaction) {
      open = rows[i].transaction;
      builder.begin_transaction("c" + std::to_string(open), open, 5);
    }
    RowRecord row;
    row.schema = builder.schema(schema);
    row.topic = builder.topic(rows[i].topic);
    row.transaction = builder.transaction();
    row.after_count = 1;
    row.first_cell = builder.add_cells(1);
    builder.cell(row.first_cell) = builder.put_bytes(CellType::kText, rows[i].value);
    builder.add_row(row);
    if (i + 1 == complete) builder.end_transaction();
  }
  return builder.seal();
}
inline BatchPtr test_batch(const std::vector<TestRow>& rows) { return test_batch(rows, rows.size()); }

/// Transaction `last` is complete, `rows` of the next one are logged.
inline SourcePosition test_position(std::uint64_t last, std::uint64_t rows = 0, std::uint32_t epoch = 1) {
  return {epoch, "c" + std::to_string(last), rows, "token"};
}

inline bool all_topics(std::string_view) { return true; }

}  // namespace millrace
