#include "event/row_copy.h"

#include <gtest/gtest.h>

#include "event/dump.h"
#include "event/event_test_batch.h"

namespace millrace {
namespace {

TEST(CopyRow, TakesTheRowWithAllThatBelongsToIt) {
  const TableSchemaPtr schema = columns_schema(1, 3);
  BatchBuilder builder;
  builder.set_received_us(77);
  builder.begin_transaction("c1", 11, 1000);
  builder.add_row(begin_row(builder, columns_schema(2, 1), Op::kInsert, 0, 1));
  RowRecord row = begin_row(builder, schema, Op::kUpdate, 3, 3);
  row.index = 9;
  row.source_offset = 5;
  builder.cell(row.first_cell) = BatchBuilder::put_word(CellType::kInt64, 7);
  builder.cell(row.first_cell + 1) = BatchBuilder::put_mark(CellType::kAbsent);
  builder.cell(row.first_cell + 3) = builder.put_bytes(CellType::kText, "new");
  const std::uint32_t outer = builder.add_cells(2);
  builder.cell(row.first_cell + 4) = BatchBuilder::put_cells(CellType::kArray, outer, 2);
  const std::uint32_t inner = builder.add_cells(1);
  builder.cell(outer) = BatchBuilder::put_cells(CellType::kArray, inner, 1);
  builder.cell(inner) = builder.put_bytes(CellType::kDecimal, "1.50");
  builder.add_row(row);
  builder.end_transaction();
  const BatchPtr batch = builder.seal();

  const BatchPtr copy = copy_row(*batch, 1);
  EXPECT_EQ("\n" + dump(*copy), dump(*batch).substr(dump(*batch).find('\n', 0)));
  EXPECT_EQ(copy->row(0).source_offset, 5U);
  EXPECT_EQ(copy->received_us(), 77);
  EXPECT_EQ(copy->complete_rows(), 1U);
  ASSERT_TRUE(Batch::from_image(image_of(*copy), [&](std::uint32_t) { return Result(schema); }));

  const BatchPtr edited = copy_row(*batch, 1, [](BatchBuilder& out, std::size_t column, std::uint32_t to) {
    if (column == 0) out.cell(to) = out.put_bytes(CellType::kText, "edited");
    return column == 0;
  });
  EXPECT_EQ(edited->bytes(edited->row(0).after[0]), "edited");
  EXPECT_EQ(edited->row(0).before[0].word, 7U);
  EXPECT_EQ(edited->elements(edited->row(0).after[1]).size(), 2U);
}

}  // namespace
}  // namespace millrace
