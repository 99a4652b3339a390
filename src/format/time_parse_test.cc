#include "format/time_parse.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "format/time_text.h"

namespace millrace {
namespace {

TEST(TimeParse, ReadsWhatIsWritten) {
  std::mt19937_64 random(7);
  const auto below = [&random](std::int64_t bound) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(bound));
  };
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    const std::int64_t days = below(4'000'000) - 1'500'000;
    append_date(text, days);
    ASSERT_EQ(parse_date(text), days) << text;
    text.clear();
    const std::int64_t micros = i % 2 == 0 ? below(86'400) * 1'000'000 : below(86'400'000'001);
    append_time(text, micros);
    ASSERT_EQ(parse_time(text), micros) << text;
    const auto zone = static_cast<std::int32_t>(below(115'200) - 57'600);
    append_zone_offset(text, zone);
    const auto time_tz = parse_time_tz(text);
    ASSERT_TRUE(time_tz) << text;
    ASSERT_EQ(time_tz->seconds_east, zone);
    text.clear();
    const std::int64_t at = days * 86'400'000'000 + micros % 86'400'000'000;
    append_timestamp(text, at, "Z");
    ASSERT_EQ(parse_timestamp(text, true), at) << text;
    ASSERT_FALSE(parse_timestamp(text, false)) << text;
    text.clear();
    const Interval interval{below(1'000'000'000'000) - 500'000'000'000,
                            static_cast<std::int32_t>(below(20'000) - 10'000),
                            static_cast<std::int32_t>(below(2'000) - 1'000)};
    append_interval(text, interval.micros, interval.days, interval.months);
    const auto read = parse_interval(text);
    ASSERT_TRUE(read) << text;
    ASSERT_EQ(read->micros, interval.micros) << text;
    ASSERT_EQ(read->days, interval.days) << text;
    ASSERT_EQ(read->months, interval.months) << text;
  }
}

TEST(TimeParse, RefusesWhatIsNone) {
  for (const char* text : {"", "2024", "2024-13-01", "2023-02-29", "2024-02-30", "2024-2-1", "2024-02-01 ",
                           "9999999999-01-01", "--2024-01-01"})
    EXPECT_FALSE(parse_date(text)) << text;
  for (const char* text : {"", "24:00:01", "12:60:00", "12:00", "12:00:00.", "12:00:00.1234567", "1:00:00"})
    EXPECT_FALSE(parse_time(text)) << text;
  for (const char* text : {"", "P", "PT", "P1", "P1H", "PT1Y", "P1.5D", "P1Y ", "PT1S2", "1D",
                           "P99999999999Y", "PT999999999999H"})
    EXPECT_FALSE(parse_interval(text)) << text;
  for (const char* text : {"12:00:00", "12:00:00+2", "12:00:00+02:61"})
    EXPECT_FALSE(parse_time_tz(text)) << text;
  EXPECT_EQ(parse_time("12:00:00.5"), 43'200'500'000);
}

}  // namespace
}  // namespace millrace
