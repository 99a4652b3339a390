#include "sink/redis/target/field_form.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "sink/redis/target/document.h"
#include "sink/redis/target/test_rows.h"

namespace millrace::redis {
namespace {

/// The member that an item of target.fields makes of a row `id`, `a`, `b`, or what was wrong.
std::string made(std::string_view item, const TestCell& a, const TestCell& b = kNullCell,
                 const JsonOptions& options = {}) {
  auto schema = std::make_shared<TableSchema>(*test_schema("t", {"id", "a", "b"}));
  if (a.type > CellType::kAbsent) schema->columns[1].type = a.type;
  const auto list = FieldList::parse({std::string(item)}, true);
  if (!list) return "list: " + list.error().message;
  std::vector<std::string> missing;
  const auto fields = list->resolve(*schema, missing);
  if (!fields) return "table: " + fields.error().message;
  const DocumentLayout layout(schema, options, *list, *fields);
  TestBatch batch;
  batch.insert(schema, {1, a, b});
  const ReadBatch rows = batch.read(1);
  const RowCells cells(*rows.batch, rows.batch->row(0).after);
  std::string out;
  if (const Status done = layout.append(out, cells); !done) return "row: " + done.error().message;
  return out.substr(out.find(':') + 1, out.size() - out.find(':') - 2);
}

TestCell float_cell(double value) { return {CellType::kFloat64, std::bit_cast<std::int64_t>(value)}; }
TestCell decimal(const char* text) { return {CellType::kDecimal, std::string(text)}; }

TestCell interval(std::int64_t micros, std::int32_t days, std::int32_t months) {
  std::string bytes(16, '\0');
  std::memcpy(bytes.data(), &micros, 8);
  std::memcpy(bytes.data() + 8, &days, 4);
  std::memcpy(bytes.data() + 12, &months, 4);
  return {CellType::kInterval, bytes};
}

TEST(FieldForm, NumbersOfWhatIsOne) {
  EXPECT_EQ(made("number(a)", decimal("12.50")), "12.5");
  EXPECT_EQ(made("number(a) as n", decimal("9007199254740993")), "9007199254740993")
      << "whole ones are exact";
  EXPECT_EQ(made("number(a)", decimal("12345678901234567890.123")), "12345678901234567168");
  EXPECT_EQ(made("number(a)", " +7.25 "), "7.25");
  EXPECT_EQ(made("number(a)", std::int64_t{-5}), "-5");
  EXPECT_EQ(made("number(a)", float_cell(0.1)), "0.1");
  EXPECT_EQ(made("number(a)", TestCell(CellType::kBool, 1)), "1");
  EXPECT_EQ(made("number(a)", TestCell(CellType::kBits, std::string("1010"))), "10");
  EXPECT_EQ(made("number(a)", TestCell(CellType::kJson, std::string("3"))), "3");
  for (const TestCell& none :
       {decimal("NaN"), decimal("Infinity"), decimal("1e999"), float_cell(1.0 / 0.0), TestCell("x"),
        TestCell(""), TestCell("1 2"), kNullCell, TestCell(CellType::kJson, std::string("{}")),
        TestCell(CellType::kBits, std::string(64, '1'))})
    EXPECT_EQ(made("number(a)", none), "null");
  EXPECT_NE(made("number(a)", TestCell(CellType::kUuid, std::string(16, 'x'))).find("table: "),
            std::string::npos);
}

TEST(FieldForm, TimesByChoice) {
  const TestCell stamp(CellType::kTimestampTz, 1'709'214'359'500'000);
  EXPECT_EQ(made("iso(a)", stamp, kNullCell, {JsonOptions::Times::kMillis, {}}),
            R"("2024-02-29T13:45:59.500000Z")");
  EXPECT_EQ(made("epoch(a)", stamp), "1709214359.5");
  EXPECT_EQ(made("millis(a)", stamp), "1709214359500");
  EXPECT_EQ(made("micros(a)", stamp), "1709214359500000");
  EXPECT_EQ(made("number(a)", stamp), "1709214359500");
  EXPECT_EQ(made("number(a)", stamp, kNullCell, {JsonOptions::Times::kMicros, {}}), "1709214359500000");
  EXPECT_EQ(made("epoch(a)", TestCell(CellType::kTimestamp, -1'500'000)), "-1.5");
  EXPECT_EQ(made("millis(a)", TestCell(CellType::kTimestamp, -1)), "-1")
      << "rounded down, as format.time does";
  EXPECT_EQ(made("epoch(a)", TestCell(CellType::kDate, 2)), "172800");
  EXPECT_EQ(made("epoch(a)", TestCell(CellType::kDate, 2'147'483'647)), "185542587100800")
      << "past what micros hold";
  EXPECT_EQ(made("epoch(a)", TestCell(CellType::kTime, 1'000'001)), "1.000001");
  EXPECT_EQ(made("epoch(a)", interval(1'500'000, 1, 14)), "36828001.5")
      << "select extract(epoch from '1 year 2 months 1 day 1.5 s'::interval)";
  EXPECT_EQ(made("epoch(a)", TestCell(CellType::kTimestamp, kInfinity)), "null");
  EXPECT_EQ(made("iso(a)", TestCell(CellType::kTimestamp, kInfinity)), R"("infinity")");
  EXPECT_NE(made("epoch(a)", "x").find("take dates, times and intervals"), std::string::npos);
}

TEST(FieldForm, PlacesAndShapes) {
  EXPECT_EQ(made("geo(a) as p", "(13.4,52.5)"), R"("13.4,52.5")");
  EXPECT_EQ(made("geo( a , b ) as p", float_cell(13.4), decimal("52.50")), R"("13.4,52.5")");
  EXPECT_EQ(made("geo(a, b) as p", float_cell(13.4), kNullCell), "null");
  EXPECT_EQ(made("geo(a, b) as p", float_cell(200), float_cell(1)), "null");
  EXPECT_EQ(made("wkt(a)", "((0,0),(0,1),(1,1))"), R"x("POLYGON((0 0,0 1,1 1,0 0))")x");
  EXPECT_EQ(made("wkt(a)", "[(0,0),(0,1)]"), "null");
  EXPECT_EQ(made("geo(a, b)", 1, 2).substr(0, 5), "list:") << "two columns have no one name";
}

TEST(FieldForm, TextsAndVectors) {
  EXPECT_EQ(made("text(a)", std::int64_t{1} << 60U), "\"1152921504606846976\"");
  EXPECT_EQ(made("text(a)", TestCell(CellType::kJson, std::string("[\"x\"]"))), "\"[\\\"x\\\"]\"");
  EXPECT_EQ(made("text(a)", "\xff").substr(0, 4), "row:");
  EXPECT_EQ(made("vector(a)", "[1, 0.5,-3e2]"), "[1,0.5,-300]");
  for (const char* none : {"[]", "[1,]", "1,2", "[1,x]", "[1", ""})
    EXPECT_EQ(made("vector(a)", none), "null") << none;
  TestBatch batch;
  const auto schema = test_schema("t", {"a"});
  batch.insert(schema, {"[1,-2]"});
  const ReadBatch rows = batch.read(1);
  std::string out;
  const FieldForm packed{FieldForm::Function::kVector, FieldForm::Packing::kFloat32};
  EXPECT_TRUE(append_form(out, packed, *rows.batch, rows.batch->row(0).after[0], {}));
  EXPECT_EQ(out, std::string("\0\0\x80\x3f\0\0\0\xc0", 8));
}

TEST(FieldForm, WhatIsNotSentIsNotMade) {
  EXPECT_EQ(made("number(a) as o.n", kKept), "{}");
  EXPECT_EQ(made("geo(a, b) as o.p", kKept, kKept), "{}");
  EXPECT_EQ(made("geo(a, b) as p", kKept, 1), "null") << "a value as large as that is no coordinate";
}

TEST(FieldForm, BesideTheColumnOrInItsPlace) {
  const auto fields = [](const std::vector<std::string>& items) {
    std::string out;
    std::vector<std::string> missing;
    const auto list = FieldList::parse(items, true);
    if (!list) return "list: " + list.error().message;
    const auto resolved = list->resolve(*test_schema("t", {"id", "a", "b"}), missing);
    if (!resolved) return "table: " + resolved.error().message;
    for (const FieldList::Field& field : *resolved)
      out += field.path.front() + (field.form.function == FieldForm::Function::kNone ? " " : "! ");
    for (const std::string& name : missing) out += "-" + name;
    return out;
  };
  EXPECT_EQ(fields({"*", "number(a) as n"}), "id a b n! ");
  EXPECT_EQ(fields({"*", "number(a)"}), "id b a! ");
  EXPECT_EQ(fields({"*", "-a", "number(a) as n"}), "id b n! ");
  EXPECT_EQ(fields({"geo(a, gone) as n", "number(lost)"}), "-gone-lost");
  EXPECT_NE(fields({"*", "number(a) as b"}).find("in the way"), std::string::npos);
  EXPECT_NE(fields({"numbr(a)"}).find("no function numbr()"), std::string::npos);
  for (const char* item :
       {"number()", "number(a", "number(a,b)", "number(a) x", "geo(a,) as p", "-number(a) as x"})
    EXPECT_EQ(fields({item}).substr(0, 5), "list:") << item;
  EXPECT_EQ(fields({"geo(a", "b) as p", "id"}), "p! id ") << "a list in one line is cut at each comma";
  EXPECT_EQ(fields({"\"number(a)\"", "\"a\""}), "a -number(a)");
}

TEST(FieldForm, WhatStandsBesideForAnIndexHidesNoColumn) {
  auto list = *FieldList::parse({"*"}, true);
  ASSERT_TRUE(list.add({{"a"}, {.function = FieldForm::Function::kNumber, .for_index = true}, ".number"}));
  std::vector<std::string> missing;
  const auto beside = list.resolve(*test_schema("t", {"id", "a"}), missing);
  ASSERT_TRUE(beside && beside->size() == 3);
  EXPECT_EQ((*beside)[2].path, std::vector<std::string>{"a.number"});
  const auto hidden = list.resolve(*test_schema("t", {"id", "a", "a.number"}), missing);
  ASSERT_FALSE(hidden);
  EXPECT_NE(hidden.error().message.find("a.number is in the way of a.number"), std::string::npos);
  const auto without = list.resolve(*test_schema("t", {"id"}), missing);
  EXPECT_EQ(without->size(), 1U);
}

}  // namespace
}  // namespace millrace::redis
