#include "control/start_point.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(StartPoint, ReadsEveryForm) {
  using enum StartPoint::Kind;
  EXPECT_EQ(parse_start_point("earliest")->kind, kEarliest);
  EXPECT_EQ(parse_start_point("latest")->kind, kLatest);
  EXPECT_EQ(parse_start_point("999999999999")->offset, 999'999'999'999U);
  EXPECT_EQ(parse_start_point("1000000000000")->wall_us, 1'000'000'000'000'000);
  const struct {
    const char* text;
    std::int64_t wall_us;
  } times[] = {{"1970-01-01T00:00:00Z", 0},
               {"2026-05-01T12:00:00Z", 1'777'636'800'000'000},
               {"2026-05-01 14:00:00.25+02:00", 1'777'636'800'250'000},
               {"2026-05-01t10:30:00.1234567-01:30", 1'777'636'800'123'456}};
  for (const auto& one : times) {
    const auto point = parse_start_point(one.text);
    ASSERT_TRUE(point) << one.text;
    EXPECT_EQ(point->kind, kTime);
    EXPECT_EQ(point->wall_us, one.wall_us) << one.text;
  }
}

TEST(StartPoint, RefusesTheRest) {
  for (const char* wrong : {"", "-1", "Earliest", "2026-05-01", "2026-05-01T12:00:00", "2026-02-30T12:00:00Z",
                            "2026-13-01T12:00:00Z", "2026-05-01T24:00:00Z", "2026-05-01T12:60:00Z",
                            "2026-05-01T12:00:00Zx", "2026-05-01T12:00Z", "2026-05-01T12:00:00+2:00",
                            "99999999999999999999", "18446744073709551615", "12x"}) {
    EXPECT_FALSE(parse_start_point(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace millrace
