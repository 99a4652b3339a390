#include "sink/redis/target/template_part.h"

#include <gtest/gtest.h>

#include "event/batch_builder.h"
#include "sink/redis/target/key_template.h"
#include "sink/redis/target/test_rows.h"
#include "sink/redis/target/value_template.h"

namespace millrace::redis {
namespace {

const auto kTable = test_schema("t", {"id", "name"});

/// The text that a template makes of a row, or what was wrong.
std::string text_of(std::string_view text, const TestCell& id, const TestCell& name,
                    const TableSchemaPtr& schema = kTable) {
  const auto parsed = ValueTemplate::parse(text);
  if (!parsed) return "template: " + parsed.error().message;
  const auto made = RowText::make(*parsed, "target.member", "shop.public.t", *schema);
  if (!made) return "table: " + made.error().message;
  TestBatch batch;
  batch.insert(schema, {id, name});
  const ReadBatch rows = batch.read(1);
  std::string out;
  if (const auto error = made->append(out, {*rows.batch, rows.batch->row(0).after})) return "row: " + *error;
  return out;
}

TEST(TemplatePart, FunctionsOfText) {
  EXPECT_EQ(text_of("{lower(name)}/{upper(name)}", 1, "Straße Ab"), "straße ab/STRAßE AB");
  EXPECT_EQ(text_of("{ lower( name )", 1, "x"),
            "template: a { has no } behind it; write {{ for the character itself");
  // printf abc | sha1sum
  EXPECT_EQ(text_of("{hash(name)}", 1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(text_of("{hash(name, 16)}", 1, "abc"), "10") << "0xa9993e364706816a mod 16";
  EXPECT_EQ(text_of("{id}-{name}", 7, kNullCell), "7-");
  EXPECT_EQ(text_of("{topic} {table} {schema} {{}}", 1, "x"), "shop.public.t t public {}");
}

TEST(TemplatePart, ColumnsOfAnyNameCanBeMeant) {
  const auto odd = test_schema("o", {"topic", "lower(x)"});
  EXPECT_EQ(text_of("{column:topic}|{column:lower(x)}", 1, "v", odd), "1|v");
}

TEST(TemplatePart, WrongOnesAreTold) {
  EXPECT_NE(text_of("{round(id)}", 1, "x").find("no function round()"), std::string::npos);
  EXPECT_NE(text_of("{hash(id, 1)}", 1, "x").find("at least 2"), std::string::npos);
  EXPECT_NE(text_of("{date(id)}", 1, "x").find("a format of"), std::string::npos);
  EXPECT_NE(text_of("{date(id, %Q)}", 1, "x").find("a format of"), std::string::npos);
  EXPECT_NE(text_of("{lower(id, 2)}", 1, "x").find("a column only"), std::string::npos);
  EXPECT_NE(text_of("{date(name, %Y)}", 1, "x").find("date or timestamp"), std::string::npos);
  EXPECT_NE(text_of("{nix}", 1, "x").find("has not got"), std::string::npos);
  EXPECT_NE(text_of("{name}", 1, kKept).find("was not sent"), std::string::npos);
}

TEST(TemplatePart, Dates) {
  TableSchema schema;
  schema.id = 77;
  schema.table = "d";
  for (const auto& [name, type] :
       {std::pair("day", CellType::kDate), std::pair("at", CellType::kTimestampTz)}) {
    ColumnSchema column;
    column.name = name;
    column.type = type;
    schema.columns.push_back(column);
  }
  const auto made =
      RowText::make(*ValueTemplate::parse("{date(day, %d.%m.%Y)} {date(at, %Y-%m-%d %H:%M:%S%%)}"),
                    "target.member", "x.d", schema);
  ASSERT_TRUE(made) << made.error().message;
  BatchBuilder builder;
  builder.begin_transaction("1", 1, 0);
  const auto text = [&](std::int64_t day, std::int64_t at) {
    RowRecord row;
    row.schema = builder.schema(std::make_shared<TableSchema>(schema));
    row.topic = builder.topic("x.d");
    row.after_count = 2;
    row.first_cell = builder.add_cells(2);
    builder.cell(row.first_cell) = BatchBuilder::put_word(CellType::kDate, static_cast<std::uint64_t>(day));
    builder.cell(row.first_cell + 1) =
        BatchBuilder::put_word(CellType::kTimestampTz, static_cast<std::uint64_t>(at));
    builder.add_row(row);
    const BatchPtr batch = builder.seal();
    std::string out;
    EXPECT_FALSE(made->append(out, {*batch, batch->row(0).after}));
    return out;
  };
  EXPECT_EQ(text(19782, 1709213159500000), "29.02.2024 2024-02-29 13:25:59%");
  EXPECT_EQ(text(-1, -1), "31.12.1969 1969-12-31 23:59:59%");
  EXPECT_EQ(text(kInfinity, kMinusInfinity), "infinity -infinity");
}

TEST(TemplatePart, KeysMadeByFunctions) {
  const auto parsed = KeyTemplate::parse("k:{lower(name)}:{id}");
  ASSERT_TRUE(parsed);
  const auto key = RowKey::make(*parsed, "shop.public.t", *kTable);
  ASSERT_TRUE(key);
  EXPECT_FALSE(key->is_one_to_one());
  TestBatch batch;
  batch.insert(kTable, {1, "A:b"});
  const ReadBatch rows = batch.read(1);
  std::string out;
  EXPECT_FALSE(key->append(out, *rows.batch, rows.batch->row(0).after));
  EXPECT_EQ(out, "k:a%3Ab:1");
  EXPECT_TRUE(key->matches(out));
}

using Values = std::optional<std::vector<std::string>>;

/// `id` is a number, `name` a text.
Values values_of(std::string_view text, std::string_view made) {
  auto schema = std::make_shared<TableSchema>(*kTable);
  schema->columns[0].type = CellType::kInt64;
  schema->columns[1].type = CellType::kText;
  return RowText::make(*ValueTemplate::parse(text), "target.member", "shop.public.t", *schema)
      ->values_of(made);
}

TEST(RowText, ValuesAreFoundAgainWhereTheyCanBeTold) {
  EXPECT_EQ(values_of("{name}", "any:thing"), Values({"any:thing"}));
  EXPECT_EQ(values_of("{id}:{name}", "7:a:b"), Values({"7", "a:b"}));
  EXPECT_EQ(values_of("<{id}/{name}>", "<7/a>>"), Values({"7", "a>"}));
  EXPECT_EQ(values_of("<{id}/{name}>", "<7/a"), std::nullopt);
  EXPECT_EQ(values_of("{id}:{name}", "x:a"), std::nullopt) << "no number";
  EXPECT_EQ(values_of("{id}:{name}", "7:"), std::nullopt) << "it may be NULL";
  EXPECT_EQ(values_of("{name}:{id}", "a:7"), std::nullopt) << "a text may have the colon too";
  EXPECT_EQ(values_of("{id}-{name}", "7-a"), std::nullopt) << "a number may have a minus";
  EXPECT_EQ(values_of("{id}{name}", "7a"), std::nullopt);
  EXPECT_EQ(values_of("{lower(name)}", "a"), std::nullopt);
}

}  // namespace
}  // namespace millrace::redis
