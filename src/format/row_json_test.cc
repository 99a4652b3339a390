#include "format/row_json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "event/batch_builder.h"

namespace millrace {
namespace {

/// One row of as many columns as cells are put, called c0, c1...
class Rows {
 public:
  BatchBuilder builder;
  std::vector<Cell> cells;
  bool reserved = false;  ///< the row's cells are the first of the batch

  Cell time_tz(std::int64_t micros, std::int32_t east) {
    std::string bytes(16, '\0');
    std::memcpy(bytes.data(), &micros, 8);
    std::memcpy(bytes.data() + 8, &east, 4);
    return builder.put_bytes(CellType::kTimeTz, bytes);
  }
  Cell interval(std::int64_t micros, std::int32_t days, std::int32_t months) {
    std::string bytes(16, '\0');
    std::memcpy(bytes.data(), &micros, 8);
    std::memcpy(bytes.data() + 8, &days, 4);
    std::memcpy(bytes.data() + 12, &months, 4);
    return builder.put_bytes(CellType::kInterval, bytes);
  }

  Result<std::string> json(JsonOptions options = {}) {
    auto schema = std::make_shared<TableSchema>();
    schema->schema = "public";
    schema->table = "t";
    schema->id = 1;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      ColumnSchema column;
      column.name = "c" + std::to_string(i);
      schema->columns.push_back(column);
    }
    // The elements of arrays stand behind the row's cells.
    const std::uint32_t first = reserved ? 0 : builder.add_cells(cells.size());
    for (std::size_t i = 0; i < cells.size(); ++i)
      builder.cell(first + static_cast<std::uint32_t>(i)) = cells[i];
    RowRecord row;
    row.schema = builder.schema(schema);
    row.topic = builder.topic("x.public.t");
    row.transaction = builder.begin_transaction("1", 1, 0);
    row.after_count = static_cast<std::uint16_t>(cells.size());
    row.first_cell = first;
    builder.add_row(row);
    builder.end_transaction();
    const BatchPtr batch = builder.seal();
    std::string out = ">";
    MILLRACE_TRY(RowJsonWriter(schema, options).append(out, *batch, batch->row(0).after));
    return out;
  }
};

Cell word(CellType type, std::int64_t value) {
  return BatchBuilder::put_word(type, static_cast<std::uint64_t>(value));
}

TEST(RowJson, EveryTypeOfCell) {
  Rows r;
  BatchBuilder& b = r.builder;
  r.cells = {word(CellType::kInt64, 9007199254740993),
             BatchBuilder::put_word(CellType::kUint64, UINT64_MAX),
             word(CellType::kBool, 1),
             BatchBuilder::put_word(CellType::kFloat64, std::bit_cast<std::uint64_t>(-2.5)),
             b.put_bytes(CellType::kDecimal, "12345678901234567890.1230"),
             b.put_bytes(CellType::kText, "a\"b\n"),
             b.put_bytes(CellType::kBytes, std::string_view("\x00\xff\x10", 3)),
             b.put_bytes(CellType::kBits, "0101"),
             b.put_bytes(CellType::kUuid, "\x11\x11\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x55\x55\x55\x55"),
             b.put_bytes(CellType::kJson, "{\"a\": [1]}"),
             BatchBuilder::put_mark(CellType::kNull)};
  const auto text = r.json();
  ASSERT_TRUE(text);
  EXPECT_EQ(
      *text,
      R"(>{"c0":9007199254740993,"c1":18446744073709551615,"c2":true,"c3":-2.5,"c4":"12345678901234567890.1230",)"
      R"("c5":"a\"b\n","c6":"AP8Q","c7":"0101","c8":"11111111-2222-3333-4444-555555555555","c9":{"a": [1]},"c10":null})");
}

TEST(RowJson, TimesInEachForm) {
  const auto make = [](JsonOptions::Times times) {
    Rows r;
    r.cells = {word(CellType::kDate, -1),
               word(CellType::kTime, 36'000'000'001),
               word(CellType::kTimestamp, -1),
               word(CellType::kTimestampTz, 1'709'214'359'123'456),
               word(CellType::kTimestampTz, kInfinity),
               word(CellType::kDate, kMinusInfinity),
               r.time_tz(36'000'000'000, 7'200),
               r.interval(0, 1, 0)};
    return *r.json({times, JsonOptions::Decimals::kText});
  };
  EXPECT_EQ(
      make(JsonOptions::Times::kIso),
      R"(>{"c0":"1969-12-31","c1":"10:00:00.000001","c2":"1969-12-31T23:59:59.999999",)"
      R"("c3":"2024-02-29T13:45:59.123456Z","c4":"infinity","c5":"-infinity","c6":"10:00:00+02:00","c7":"P1D"})");
  EXPECT_EQ(make(JsonOptions::Times::kMillis),
            R"(>{"c0":-86400000,"c1":36000000,"c2":-1,"c3":1709214359123,"c4":"infinity","c5":"-infinity",)"
            R"("c6":"10:00:00+02:00","c7":"P1D"})");
  EXPECT_EQ(
      make(JsonOptions::Times::kMicros),
      R"(>{"c0":-86400000000,"c1":36000000001,"c2":-1,"c3":1709214359123456,"c4":"infinity","c5":"-infinity",)"
      R"("c6":"10:00:00+02:00","c7":"P1D"})");
}

TEST(RowJson, MissingColumnsAreLeftOutAndTheFirstHasNoComma) {
  Rows r;
  r.cells = {BatchBuilder::put_mark(CellType::kAbsent), word(CellType::kInt64, 1),
             BatchBuilder::put_mark(CellType::kUnchanged)};
  EXPECT_EQ(*r.json(), R"(>{"c1":1})");
}

TEST(RowJson, NestedArrays) {
  Rows r;
  r.builder.add_cells(1);
  r.reserved = true;
  const std::uint32_t outer = r.builder.add_cells(2);
  const std::uint32_t inner = r.builder.add_cells(2);
  r.builder.cell(inner) = word(CellType::kInt64, 1);
  r.builder.cell(inner + 1) = BatchBuilder::put_mark(CellType::kNull);
  r.builder.cell(outer) = BatchBuilder::put_cells(CellType::kArray, inner, 2);
  r.builder.cell(outer + 1) = BatchBuilder::put_cells(CellType::kArray, inner, 0);
  r.cells = {BatchBuilder::put_cells(CellType::kArray, outer, 2)};
  EXPECT_EQ(*r.json(), R"(>{"c0":[[1,null],[]]})");
}

TEST(RowJson, DecimalsAsNumbersUnlessTheyAreNone) {
  Rows r;
  r.cells = {r.builder.put_bytes(CellType::kDecimal, "12.50"),
             r.builder.put_bytes(CellType::kDecimal, "NaN")};
  EXPECT_EQ(*r.json({JsonOptions::Times::kIso, JsonOptions::Decimals::kNumber}),
            R"(>{"c0":12.50,"c1":"NaN"})");
}

TEST(RowJson, BadTextIsARejectThatNamesTheColumnAndLeavesNothing) {
  Rows r;
  r.cells = {word(CellType::kInt64, 1), r.builder.put_bytes(CellType::kText, "secret\xff")};
  const auto text = r.json();
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error().next, Next::kReject);
  EXPECT_NE(text.error().message.find("column c1 of public.t"), std::string::npos);
  EXPECT_EQ(text.error().message.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace millrace
