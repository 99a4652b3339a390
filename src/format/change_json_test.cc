#include "format/change_json.h"

#include <gtest/gtest.h>

#include <cstring>

#include "event/batch_builder.h"
#include "format/debezium_value.h"

namespace millrace {
namespace {

std::string unscaled(std::string_view decimal, int scale) {
  std::string out;
  return append_unscaled(out, decimal, scale) ? out + "/" + std::to_string(scale) : "no";
}

TEST(DebeziumValue, UnscaledDecimalsOfTheRealDebezium) {
  EXPECT_EQ(unscaled("12345.67", 2), "EtaH/2");
  EXPECT_EQ(unscaled("1234567.890", 3), "SZYC0g==/3");
  EXPECT_EQ(unscaled("-0.01", 2), "/w==/2");
  EXPECT_EQ(unscaled("99999", 0), "AYaf/0");
  EXPECT_EQ(unscaled("12345678901234567890.123456789", -1), "J+QbMka+ybFuOYEV/9");
  EXPECT_EQ(unscaled("-0.00000000000000000001", -1), "/w==/20");
  EXPECT_EQ(unscaled("0", 2), "AA==/2");
  EXPECT_EQ(unscaled("1", 2), "ZA==/2");
  EXPECT_EQ(unscaled("2.5", 2), "APo=/2");
  EXPECT_EQ(unscaled("-128", 0), "gA==/0");
  EXPECT_EQ(unscaled("-129", 0), "/38=/0");
  EXPECT_EQ(unscaled("128", 0), "AIA=/0");
  EXPECT_EQ(unscaled("4294967296", 0), "AQAAAAA=/0");
  EXPECT_EQ(unscaled("-1000000000000000000000", 0), "yco2UjohYAAA/0");
  for (const char* bad : {"", "-", "NaN", "Infinity", "1e5", "1.2.3"})
    EXPECT_EQ(unscaled(bad, -1), "no") << bad;
  EXPECT_EQ(unscaled("1.234", 2), "no");
}

/// Golden values: type, scale, cell, what Debezium 3.7 wrote.
class Values : public testing::Test {
 protected:
  std::string value(const Cell& cell, CellType type, std::string base_type, std::int32_t scale = -1,
                    std::int32_t length = -1, CellType element = CellType::kText) {
    auto schema = std::make_shared<TableSchema>();
    schema->id = ++id_;
    ColumnSchema column;
    column.name = "c";
    column.type = type;
    column.element_type = element;
    column.base_type = std::move(base_type);
    column.scale = scale;
    column.length = length;
    schema->columns.push_back(column);
    RowRecord row;
    row.transaction = builder.begin_transaction("1", 1, 0);
    row.schema = builder.schema(schema);
    row.topic = builder.topic("p.public.t");
    row.first_cell = builder.add_cells(1);
    row.after_count = 1;
    builder.cell(row.first_cell) = cell;
    builder.add_row(row);
    builder.end_transaction();
    const BatchPtr batch = builder.seal();
    std::string out;
    EXPECT_TRUE(append_debezium_value(out, *batch, batch->row(0).after[0], column));
    return out;
  }
  static Cell word(CellType type, std::int64_t number) {
    return BatchBuilder::put_word(type, static_cast<std::uint64_t>(number));
  }
  Cell packed(CellType type, std::int64_t a, std::int32_t b, std::int32_t c) {
    std::string bytes(16, '\0');
    std::memcpy(bytes.data(), &a, 8);
    std::memcpy(bytes.data() + 8, &b, 4);
    std::memcpy(bytes.data() + 12, &c, 4);
    return builder.put_bytes(type, bytes);
  }
  BatchBuilder builder;
  std::uint32_t id_ = 0;
};

TEST_F(Values, TimesOfTheRealDebezium) {
  using enum CellType;
  EXPECT_EQ(value(word(kDate, -735160), kDate, "date"), "-735160");
  EXPECT_EQ(value(word(kDate, kInfinity), kDate, "date"), "2146033979");
  EXPECT_EQ(value(word(kTime, 49'559'123'456), kTime, "time"), "49559123456");
  EXPECT_EQ(value(word(kTime, 49'560'000'000), kTime, "time", 0), "49560000");
  EXPECT_EQ(value(word(kTimestamp, 1'709'214'359'123'000), kTimestamp, "timestamp", 3), "1709214359123");
  EXPECT_EQ(value(word(kTimestamp, kMinusInfinity), kTimestamp, "timestamp"), "-9223372036854775808");
  EXPECT_EQ(value(word(kTimestampTz, -1000), kTimestampTz, "timestamptz", 3), "\"1969-12-31T23:59:59.999Z\"");
  EXPECT_EQ(value(word(kTimestampTz, 0), kTimestampTz, "timestamptz"), "\"1970-01-01T00:00:00.000000Z\"");
  EXPECT_EQ(value(packed(kTimeTz, 49'559'123'456, 19'800, 0), kTimeTz, "timetz"), "\"08:15:59.123456Z\"");
  EXPECT_EQ(value(packed(kTimeTz, 43'200'000'000, 50'400, 0), kTimeTz, "timetz"), "\"22:00:00Z\"");
  EXPECT_EQ(value(packed(kTimeTz, 86'400'000'000, 0, 0), kTimeTz, "timetz"), "\"24:00:00Z\"");
  EXPECT_EQ(value(packed(kInterval, 14'706'789'000, 3, 14), kInterval, "interval"), "37091106789000");
  EXPECT_EQ(value(packed(kInterval, 0, 0, 2'136'000'000), kInterval, "interval"), "9223372036854775807");
}

TEST_F(Values, BitsPlaceholdersAndNaN) {
  using enum CellType;
  EXPECT_EQ(value(builder.put_bytes(kBits, "1"), kBits, "bit", -1, 1), "true");
  EXPECT_EQ(value(builder.put_bytes(kBits, "10110011"), kBits, "bit", -1, 8), "\"sw==\"");
  EXPECT_EQ(value(builder.put_bytes(kBits, "00000000"), kBits, "bit", -1, 8), "\"\"");
  EXPECT_EQ(value(builder.put_bytes(kBits, "110011001100"), kBits, "varbit", -1, 12), "\"zAw=\"");
  EXPECT_EQ(value(builder.put_bytes(kDecimal, "NaN"), kDecimal, "numeric"), "null");
  EXPECT_EQ(value(builder.put_bytes(kDecimal, "2.25"), kDecimal, "numeric"), R"({"scale":2,"value":"AOE="})");
  const Cell kept = BatchBuilder::put_mark(kUnchanged);
  EXPECT_EQ(value(kept, kText, "text"), "\"__debezium_unavailable_value\"");
  EXPECT_EQ(value(kept, kBytes, "bytea"), "\"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==\"");
  EXPECT_EQ(value(kept, kArray, "text"), "[\"__debezium_unavailable_value\"]");
  EXPECT_EQ(value(kept, kArray, "int4", -1, -1, kInt64).substr(0, 8), "[95,95,1");
}

TEST(ChangeJson, BothForms) {
  auto schema = std::make_shared<TableSchema>();
  schema->id = 3;
  schema->database = "shop";
  schema->schema = "public";
  schema->table = "t";
  schema->key_columns = {0};
  for (const char* name : {"id", "big"}) {
    ColumnSchema column;
    column.name = name;
    column.type = schema->columns.empty() ? CellType::kInt64 : CellType::kText;
    schema->columns.push_back(column);
  }
  BatchBuilder builder;
  RowRecord row;
  row.op = Op::kUpdate;
  row.transaction = builder.begin_transaction("0/10", 7, 1'500'000);
  row.schema = builder.schema(schema);
  row.topic = builder.topic("a.b.public.t");
  row.source_offset = 16;
  row.before_count = 2;
  row.after_count = 2;
  row.first_cell = builder.add_cells(4);
  builder.cell(row.first_cell) = BatchBuilder::put_word(CellType::kInt64, 1);
  builder.cell(row.first_cell + 1) = BatchBuilder::put_mark(CellType::kAbsent);
  builder.cell(row.first_cell + 2) = BatchBuilder::put_word(CellType::kInt64, 2);
  builder.cell(row.first_cell + 3) = BatchBuilder::put_mark(CellType::kUnchanged);
  builder.add_row(row);
  builder.end_transaction();
  builder.set_received_us(2'000'001);
  const BatchPtr batch = builder.seal();
  std::string plain;
  ASSERT_TRUE(ChangeJsonWriter(ChangeJsonWriter::Form::kPlain).append(plain, *batch, 0, 41));
  EXPECT_EQ(
      plain,
      R"({"topic":"a.b.public.t","offset":41,"op":"u","key":{"id":2},"before":{"id":1},"after":{"id":2},)"
      R"("source":{"db":"shop","schema":"public","table":"t","schema_id":3,"commit":"0/10","lsn":16,"tx":7,"index":0},)"
      R"("ts_us":1500000})");
  std::string debezium;
  ASSERT_TRUE(ChangeJsonWriter(ChangeJsonWriter::Form::kDebezium).append(debezium, *batch, 0, 41));
  EXPECT_EQ(
      debezium,
      R"({"before":{"id":1,"big":null},"after":{"id":2,"big":"__debezium_unavailable_value"},)"
      R"("source":{"version":"millrace","connector":"postgresql","name":"a.b","ts_ms":1500,"snapshot":"false","db":"shop",)"
      R"("sequence":null,"ts_us":1500000,"ts_ns":1500000000,"schema":"public","table":"t","txId":7,"lsn":16,"xmin":null,)"
      R"("origin":null,"origin_lsn":null},"transaction":null,"op":"u","ts_ms":2000,"ts_us":2000001,"ts_ns":2000001000})");
}

}  // namespace
}  // namespace millrace
