// A JSON text that is to edit a row with a column of each type. What is taken must be shown so that it is
// taken again and shown the same.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "format/row_edit.h"
#include "format/row_json.h"

namespace {

using millrace::Batch;
using millrace::BatchBuilder;
using millrace::BatchPtr;
using millrace::CellType;

/// Columns c3 to c18, named by the number of their type, and a19 to a34, arrays of those.
BatchPtr row_of_all_types() {
  const auto schema = std::make_shared<millrace::TableSchema>();
  schema->id = 1;
  schema->table = "t";
  for (int array = 0; array < 2; ++array) {
    for (int type = static_cast<int>(CellType::kBool); type <= static_cast<int>(CellType::kJson); ++type) {
      millrace::ColumnSchema& column = schema->columns.emplace_back();
      column.name = (array == 0 ? "c" : "a") + std::to_string(type);
      column.element_type = static_cast<CellType>(type);
      column.type = array == 0 ? column.element_type : CellType::kArray;
    }
  }
  BatchBuilder builder;
  builder.begin_transaction("c", 1, 1);
  millrace::RowRecord row;
  row.schema = builder.schema(schema);
  row.topic = builder.topic("t");
  row.transaction = builder.transaction();
  row.after_count = static_cast<std::uint16_t>(schema->columns.size());
  row.first_cell = builder.add_cells(row.after_count);
  builder.add_row(row);
  builder.end_transaction();
  return builder.seal();
}

std::string shown(const Batch& batch) {
  std::string out;
  const millrace::RowJsonWriter writer(batch.schemas()[0], {});
  MILLRACE_CHECK(writer.append(out, batch, batch.row(0).after).has_value());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BatchPtr row = row_of_all_types();
  const auto once = millrace::edit_row(*row, 0, std::string_view(reinterpret_cast<const char*>(data), size));
  if (!once) return 0;
  const std::string text = shown(*once->batch);
  const auto twice = millrace::edit_row(*row, 0, text);
  MILLRACE_CHECK(twice.has_value());
  MILLRACE_CHECK(shown(*twice->batch) == text);
  return 0;
}
