#include "source/postgres/values.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <random>

#include "event/dump.h"

namespace millrace::postgres {
namespace {

/// One value through the decoder and a sealed batch, as `dump` shows it.
std::string shown(const ValueFormat& format, std::string_view text) {
  BatchBuilder out;
  ValueDecoder decoder;
  TableSchema schema;
  schema.id = 1;
  ColumnSchema& column = schema.columns.emplace_back();
  column.name = "v";
  column.type = cell_type(format.kind);
  column.element_type = cell_type(format.element);
  out.begin_transaction("1", 1, 1);
  RowRecord row;
  row.op = Op::kInsert;
  row.schema = out.schema(std::make_shared<const TableSchema>(schema));
  row.topic = out.topic("t");
  row.after_count = 1;
  row.first_cell = out.add_cells(1);
  const Cell cell = decoder.decode(format, text, out);
  out.cell(row.first_cell) = cell;
  out.add_row(row);
  const BatchPtr batch = out.seal();
  return dump_cell(*batch, batch->row(0).after[0]);
}

std::string scalar(ValueKind kind, std::string_view text) {
  return shown({kind, ValueKind::kText, ','}, text);
}
std::string array(ValueKind element, std::string_view text, char delimiter = ',') {
  return shown({ValueKind::kArray, element, delimiter}, text);
}
/// What a text that does not fit comes out as.
std::string verbatim(std::string_view text) { return scalar(ValueKind::kText, text); }

TEST(Values, Scalars) {
  EXPECT_EQ(scalar(ValueKind::kBool, "t"), "true");
  EXPECT_EQ(scalar(ValueKind::kBool, "f"), "false");
  EXPECT_EQ(scalar(ValueKind::kInteger, "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(scalar(ValueKind::kInteger, "4294967295"), "4294967295");
  EXPECT_EQ(scalar(ValueKind::kNumeric, "-0.00000000000000000001"), "decimal(-0.00000000000000000001)");
  EXPECT_EQ(scalar(ValueKind::kNumeric, "NaN"), "decimal(NaN)");
  EXPECT_EQ(scalar(ValueKind::kNumeric, "-Infinity"), "decimal(-Infinity)");
  EXPECT_EQ(scalar(ValueKind::kMoney, "-$1,234,567.89"), "decimal(-1234567.89)");
  EXPECT_EQ(scalar(ValueKind::kBytea, "\\x00ff10"), "bytes(00ff10)");
  EXPECT_EQ(scalar(ValueKind::kBytea, "\\x"), "bytes()");
  EXPECT_EQ(scalar(ValueKind::kUuid, "11111111-2222-3333-4444-5555555555AF"),
            "uuid(111111112222333344445555555555af)");
  EXPECT_EQ(scalar(ValueKind::kJson, "{\"a\" : 1}"), "json({\"a\" : 1})");
  EXPECT_EQ(scalar(ValueKind::kBits, "0101"), "bits(0101)");
  EXPECT_EQ(scalar(ValueKind::kBits, ""), "bits()");
}

TEST(Values, WhatDoesNotFitItsTypeIsKeptAsTheTextItIs) {
  BatchBuilder out;
  ValueDecoder decoder;
  const std::pair<ValueKind, std::string_view> wrong[] = {
      {ValueKind::kBool, "true"},
      {ValueKind::kInteger, "9223372036854775808"},
      {ValueKind::kInteger, ""},
      {ValueKind::kFloat, "1.5x"},
      {ValueKind::kFloat, ""},
      {ValueKind::kNumeric, "1e5"},
      {ValueKind::kNumeric, "1."},
      {ValueKind::kMoney, "12 €"},
      {ValueKind::kBytea, "\\x0"},
      {ValueKind::kBytea, "\\xzz"},
      {ValueKind::kBytea, "raw"},
      {ValueKind::kUuid, "11111111-2222-3333-4444-55555555555"},
      {ValueKind::kUuid, "11111111x2222-3333-4444-555555555555"},
      {ValueKind::kUuid, "11111111-2-22-3333-4444-55555555-333"},
      {ValueKind::kBits, "012"},
      {ValueKind::kDate, "2024-02-30"},
      {ValueKind::kDate, "02/03/2024"},
      {ValueKind::kTime, "25:00:00"},
      {ValueKind::kTime, "10:00"},
      {ValueKind::kTimestamp, "2024-01-01T00:00:00"},
      {ValueKind::kTimestamp, "294276-12-31 23:59:59.999999"},  // past what microseconds since 1970 can say
      {ValueKind::kTimestampTz, "2024-01-01 00:00:00"},
      {ValueKind::kTimeTz, "10:00:00"},
      {ValueKind::kInterval, "P1D"},
      {ValueKind::kInterval, ""},
      {ValueKind::kInterval, "9999999999 days"},
  };
  std::uint64_t count = 0;
  for (const auto& [kind, text] : wrong) {
    const Cell cell = decoder.decode({kind, ValueKind::kText, ','}, text, out);
    EXPECT_EQ(cell.type, CellType::kText) << text;
    EXPECT_EQ(decoder.unparsed(), ++count) << text;
    EXPECT_EQ(scalar(kind, text), verbatim(text));
  }
}

double as_double(std::string_view text) {
  BatchBuilder out;
  ValueDecoder decoder;
  const Cell cell = decoder.decode({ValueKind::kFloat, ValueKind::kText, ','}, text, out);
  EXPECT_EQ(cell.type, CellType::kFloat64) << text;
  return std::bit_cast<double>(cell.word);
}

TEST(Values, FloatsAreExact) {
  EXPECT_TRUE(std::isnan(as_double("NaN")));
  EXPECT_EQ(as_double("Infinity"), std::numeric_limits<double>::infinity());
  EXPECT_EQ(as_double("-Infinity"), -std::numeric_limits<double>::infinity());
  EXPECT_EQ(as_double("5e-324"), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(as_double("-1.7976931348623157e+308"), -std::numeric_limits<double>::max());
  EXPECT_TRUE(std::signbit(as_double("-0")));
  std::mt19937_64 random(7);
  for (int i = 0; i < 1000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    char text[64];
    std::snprintf(text, sizeof(text), "%.17g", value);
    EXPECT_EQ(as_double(text), value) << text;
  }
}

TEST(Values, Dates) {
  EXPECT_EQ(parse_date("1970-01-01"), 0);
  EXPECT_EQ(parse_date("2024-02-29"), 19782);
  EXPECT_EQ(parse_date("0001-01-01"), -719162);
  EXPECT_EQ(parse_date("0001-01-01 BC"), -719162 - 366);  // 1 BC is a leap year
  EXPECT_EQ(parse_date("4714-11-24 BC"), -2440588);       // Julian day 0: PostgreSQL's first
  EXPECT_EQ(parse_date("5874897-12-31"), 2145042905);     // and its last
  EXPECT_EQ(parse_date("infinity"), kInfinity);
  EXPECT_EQ(parse_date("-infinity"), kMinusInfinity);
  EXPECT_FALSE(parse_date("1900-02-29"));
  EXPECT_FALSE(parse_date("2024-13-01"));
  EXPECT_FALSE(parse_date("2024-01-00"));
  EXPECT_FALSE(parse_date("2024-01-01 AD"));
}

TEST(Values, DatesCountOneByOne) {
  std::int64_t expected = days_from_civil(-400, 1, 1);
  constexpr unsigned kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (std::int64_t year = -400; year < 2800; ++year) {
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    for (unsigned month = 1; month <= 12; ++month) {
      EXPECT_EQ(days_from_civil(year, month, 1), expected);
      expected += kDays[month - 1] + (leap && month == 2 ? 1 : 0);
    }
  }
}

TEST(Values, TimesAndTimestamps) {
  EXPECT_EQ(parse_time("13:45:59.123456"), 49'559'123'456);
  EXPECT_EQ(parse_time("00:00:00.5"), 500'000);
  EXPECT_EQ(parse_time("24:00:00"), 86'400'000'000);
  EXPECT_FALSE(parse_time("24:00:00.000001"));
  EXPECT_FALSE(parse_time("12:60:00"));
  EXPECT_FALSE(parse_time("12:00:00."));
  EXPECT_EQ(parse_timestamp("1969-12-31 23:59:59.999", false), -1000);
  EXPECT_EQ(parse_timestamp("0044-03-15 12:00:00 BC", false), -63'517'780'800'000'000);
  EXPECT_EQ(parse_timestamp("12024-01-01 10:00:00", false), 317'273'623'200'000'000);
  EXPECT_EQ(parse_timestamp("2024-02-29 13:45:59.123456+02", true), 1'709'207'159'123'456);
  EXPECT_EQ(parse_timestamp("2024-02-29 13:45:59.123456-03:30", true), 1'709'226'959'123'456);
  EXPECT_EQ(parse_timestamp("0044-03-15 12:00:00+00 BC", true), -63'517'780'800'000'000);
  EXPECT_EQ(parse_timestamp("-infinity", true), kMinusInfinity);
  EXPECT_EQ(parse_timestamp("294247-01-10 04:00:54.775806", false), kInfinity - 1);
  EXPECT_FALSE(parse_timestamp("294247-01-10 04:00:54.775807", false));  // would read as infinity
}

TEST(Values, TimesWithZone) {
  const auto east = parse_timetz("13:45:59.123456+05:30");
  ASSERT_TRUE(east);
  EXPECT_EQ(east->time_us, 49'559'123'456);
  EXPECT_EQ(east->offset_s, 19'800);
  const auto west = parse_timetz("00:00:00-15:59:59");
  ASSERT_TRUE(west);
  EXPECT_EQ(west->offset_s, -57'599);
  EXPECT_EQ(scalar(ValueKind::kTimeTz, "13:45:59.5-08"), "timetz(49559500000us-28800s)");
}

void expect_interval(std::string_view text, std::int32_t months, std::int32_t days, std::int64_t time_us) {
  const auto interval = parse_interval(text);
  ASSERT_TRUE(interval) << text;
  EXPECT_EQ(interval->months, months) << text;
  EXPECT_EQ(interval->days, days) << text;
  EXPECT_EQ(interval->time_us, time_us) << text;
}

TEST(Values, Intervals) {
  expect_interval("1 year 2 mons 3 days 04:05:06.789", 14, 3, 14'706'789'000);
  expect_interval("-1 days -00:00:01", 0, -1, -1'000'000);
  expect_interval("-1 years -2 mons +3 days -04:05:06.5", -14, 3, -14'706'500'000);
  expect_interval("00:00:00", 0, 0, 0);
  expect_interval("-00:00:00.000001", 0, 0, -1);
  expect_interval("178000000 years", 2'136'000'000, 0, 0);
  expect_interval("2562047788:00:54.775807", 0, 0, std::numeric_limits<std::int64_t>::max());
  expect_interval("-2562047788:00:54.775808", 0, 0, std::numeric_limits<std::int64_t>::min());
  expect_interval("-2147483648 days", 0, std::numeric_limits<std::int32_t>::min(), 0);
  EXPECT_FALSE(parse_interval("2562047788:00:54.775808"));
  EXPECT_FALSE(parse_interval("1 year "));
  EXPECT_FALSE(parse_interval("1 fortnight"));
  EXPECT_FALSE(parse_interval("178956971 years"));
}

TEST(Values, Arrays) {
  EXPECT_EQ(array(ValueKind::kInteger, "{1,NULL,3}"), "[1,null,3]");
  EXPECT_EQ(array(ValueKind::kInteger, "{}"), "[]");
  EXPECT_EQ(array(ValueKind::kInteger, "{{1,2},{3,4}}"), "[[1,2],[3,4]]");
  EXPECT_EQ(array(ValueKind::kInteger, "{{{{{{1}}}}}}"), "[[[[[[1]]]]]]");
  EXPECT_EQ(array(ValueKind::kInteger, "[2:3]={7,8}"), "[7,8]");
  EXPECT_EQ(array(ValueKind::kInteger, "[-1:0][2:2]={{7},{8}}"), "[[7],[8]]");
  EXPECT_EQ(array(ValueKind::kText, R"({a,"b c","d\"q",NULL,"","NULL","{x}","a\\b"})"),
            "['a','b c','d\"q',null,'','NULL','{x}','a\\b']");
  EXPECT_EQ(array(ValueKind::kText, "{(2,2),(0,0);(1,1),(0,0)}", ';'), "['(2,2),(0,0)','(1,1),(0,0)']");
  EXPECT_EQ(array(ValueKind::kTimestamp, R"({"2024-01-01 10:00:00.123456"})"),
            "[timestamp(1704103200123456)]");
  EXPECT_EQ(array(ValueKind::kBytea, R"({"\\x01"})"), "[bytes(01)]");
}

TEST(Values, ArraysThatAreNotOnesAreKeptAsText) {
  for (const std::string_view text :
       {"", "{", "}", "{1", "{1,}", "{,1}", "{1}x", "{1,2}}", "1,2", "{\"a}", "{a\"b}", "{{1},2", "{1 2}",
        "{{{{{{{1}}}}}}}", "[1:2={1}", "[a:b]={1}", "{\"\\", "{x}"}) {
    EXPECT_EQ(array(ValueKind::kInteger, text), verbatim(text)) << text;
  }
}

/// Writes an array as PostgreSQL's array_out does.
std::string array_text(const std::vector<std::optional<std::string>>& elements) {
  std::string out = "{";
  for (const auto& element : elements) {
    if (out.size() > 1) out.push_back(',');
    if (!element) {
      out += "NULL";
      continue;
    }
    out.push_back('"');
    for (const char c : *element) {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    out.push_back('"');
  }
  return out + '}';
}

TEST(Values, ArraysOfAnyTextComeBackAsTheyWere) {
  std::mt19937 random(11);
  constexpr std::string_view kLetters = "ab\\\"{},; \t\nNULLé";
  for (int round = 0; round < 2000; ++round) {
    std::vector<std::optional<std::string>> elements(random() % 5);
    for (auto& element : elements) {
      if (random() % 5 == 0) continue;
      element.emplace();
      for (std::size_t i = random() % 8; i > 0; --i) element->push_back(kLetters[random() % kLetters.size()]);
    }
    std::string expected = "[";
    for (const auto& element : elements) {
      if (expected.size() > 1) expected.push_back(',');
      expected += element ? verbatim(*element) : "null";
    }
    EXPECT_EQ(array(ValueKind::kText, array_text(elements)), expected + "]") << array_text(elements);
  }
}

}  // namespace
}  // namespace millrace::postgres
