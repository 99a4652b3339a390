#include "format/time_text.h"

#include <gtest/gtest.h>

#include <limits>

namespace millrace {
namespace {

std::string date(std::int64_t days) {
  std::string out;
  append_date(out, days);
  return out;
}
std::string timestamp(std::int64_t micros, std::string_view suffix = "Z", int digits = -1) {
  std::string out;
  append_timestamp(out, micros, suffix, digits);
  return out;
}
std::string time_of_day(std::int64_t micros, int digits = -1) {
  std::string out;
  append_time(out, micros, digits);
  return out;
}
std::string interval(std::int64_t micros, std::int32_t days, std::int32_t months) {
  std::string out;
  append_interval(out, micros, days, months);
  return out;
}

TEST(TimeText, DatesKnownToDebezium) {
  EXPECT_EQ(date(0), "1970-01-01");
  EXPECT_EQ(date(-1), "1969-12-31");
  EXPECT_EQ(date(19782), "2024-02-29");
  EXPECT_EQ(date(-719162), "0001-01-01");
  EXPECT_EQ(date(-735160), "-0043-03-15");
  EXPECT_EQ(date(3672148), "+12024-01-01");
  EXPECT_EQ(date(11016), "2000-02-29");
  EXPECT_EQ(date(-25508), "1900-03-01");
}

TEST(TimeText, FarOffDatesDoNotOverflow) {
  EXPECT_EQ(date(std::numeric_limits<std::int64_t>::max() - 1), "9223372036854775806");
  EXPECT_EQ(date(2145042905), "+5874897-12-31");  // the last one of PostgreSQL
}

TEST(TimeText, TimestampsAroundTheEpochAndInTheFarYears) {
  EXPECT_EQ(timestamp(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(timestamp(-1000), "1969-12-31T23:59:59.999000Z");
  EXPECT_EQ(timestamp(-1), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(timestamp(1709214359123456, ""), "2024-02-29T13:45:59.123456");
  EXPECT_EQ(timestamp(-63517780800000000), "-0043-03-15T12:00:00Z");
  EXPECT_EQ(timestamp(317273623200000000), "+12024-01-01T10:00:00Z");
  EXPECT_EQ(timestamp(253402300799999999), "9999-12-31T23:59:59.999999Z");
  EXPECT_EQ(timestamp(1719792000500000, "Z", 3), "2024-07-01T00:00:00.500Z");
  EXPECT_EQ(timestamp(0, "Z", 6), "1970-01-01T00:00:00.000000Z");
}

TEST(TimeText, TimesOfDay) {
  EXPECT_EQ(time_of_day(86'400'000'000), "24:00:00");
  EXPECT_EQ(time_of_day(86'399'999'999), "23:59:59.999999");
  EXPECT_EQ(time_of_day(1), "00:00:00.000001");
  std::string out;
  append_zone_offset(out, 19'800);
  append_zone_offset(out, -28'800);
  append_zone_offset(out, -3'661);
  EXPECT_EQ(out, "+05:30-08:00-01:01:01");
}

TEST(TimeText, IntervalsAsPostgresPrintsThem) {
  EXPECT_EQ(interval(14'706'789'000, 3, 14), "P1Y2M3DT4H5M6.789S");
  EXPECT_EQ(interval(0, 0, 0), "PT0S");
  EXPECT_EQ(interval(-1'000'000, -1, 0), "P-1DT-1S");
  EXPECT_EQ(interval(-1, 0, 0), "PT-0.000001S");
  EXPECT_EQ(interval(-363'540'000'000, 0, 0), "PT-100H-59M");
  EXPECT_EQ(interval(0, 0, -1), "P-1M");
  EXPECT_EQ(interval(0, 0, 2'136'000'000), "P178000000Y");
}

}  // namespace
}  // namespace millrace
