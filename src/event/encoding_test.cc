#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "event/position.h"
#include "event/schema.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

TableSchema full_schema() {
  TableSchema schema;
  schema.id = 70'000;
  schema.database = "shop";
  schema.schema = "public";
  schema.table = "t\xC3\xA4";
  schema.source_table_id = 16'385;
  schema.identity = RowIdentity::kIndex;
  ColumnSchema id;
  id.name = "id";
  id.type = CellType::kInt64;
  id.source_type = "int8";
  id.base_type = "int8";
  id.source_type_id = 20;
  id.optional = false;
  ColumnSchema mood;
  mood.name = "moods";
  mood.type = CellType::kArray;
  mood.element_type = CellType::kText;
  mood.source_type = "_mood";
  mood.length = 12;
  mood.scale = -5;
  mood.default_text = "";  // an empty default is one
  mood.allowed_values = {"sad", "", "ok"};
  schema.columns = {id, mood};
  schema.key_columns = {1, 0};
  return schema;
}

TEST(SchemaBytes, ComeBackAsTheyWere) {
  for (const TableSchema& schema : {full_schema(), TableSchema{}}) {
    const auto back = decode_schema(encode_schema(schema));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, schema);
  }
}

TEST(SchemaBytes, CutOrTrailedAreRefused) {
  const std::string bytes = encode_schema(full_schema());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_schema(bytes.substr(0, size))) << size;
  EXPECT_FALSE(decode_schema(bytes + "x"));
}

TEST(SchemaBytes, AnyByteMayBeWrong) {
  const std::string bytes = encode_schema(full_schema());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    for (int value = 0; value < 256; ++value) {
      std::string broken = bytes;
      broken[i] = static_cast<char>(value);
      const auto schema = decode_schema(broken);
      if (!schema) continue;
      for (const std::uint16_t key : schema->key_columns) EXPECT_LT(key, schema->columns.size());
      for (const ColumnSchema& column : schema->columns)
        EXPECT_LT(static_cast<int>(column.type), kCellTypeCount);
    }
  }
}

TEST(SchemaBytes, OfANewerVersionSaySo) {
  std::string bytes = encode_schema(full_schema());
  bytes[0] = 2;
  const auto schema = decode_schema(bytes);
  ASSERT_FALSE(schema);
  EXPECT_EQ(schema.error().next, Next::kStop);
  EXPECT_THAT(schema.error().hint, HasSubstr("newer millrace"));
}

TEST(Schema, ColumnsAreFoundByName) {
  EXPECT_EQ(find_column(full_schema(), "moods"), 1);
  EXPECT_EQ(find_column(full_schema(), "Moods"), std::nullopt);
}

TEST(PositionBytes, ComeBackAsTheyWere) {
  const SourcePosition position{7, std::string("\0\xFF commit", 9), 1ULL << 40U, "slot=x"};
  for (const SourcePosition& each : {position, SourcePosition{}}) {
    const auto back = decode_position(encode_position(each));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, each);
  }
}

TEST(PositionBytes, CutTrailedOrNewerAreRefused) {
  const std::string bytes = encode_position({1, "commit", 2, "token"});
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_position(bytes.substr(0, size))) << size;
  EXPECT_FALSE(decode_position(bytes + "x"));
  std::string newer = bytes;
  newer[0] = 9;
  EXPECT_THAT(decode_position(newer).error().hint, HasSubstr("newer millrace"));
}

}  // namespace
}  // namespace millrace
