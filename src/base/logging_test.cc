#include "base/logging.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bounded_queue.h"
#include "base/clock.h"

namespace millrace {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::string logged(LogFormat format, LogLevel level, std::string_view message,
                   const std::vector<LogField>& fields) {
  testing::internal::CaptureStderr();
  Logger(LogLevel::kInfo, format).write(level, message, fields);
  return testing::internal::GetCapturedStderr();
}

TEST(Logger, WritesALineOfText) {
  const std::string line =
      logged(LogFormat::kText, LogLevel::kInfo, "connector started",
             {{"connector", "shop"}, {"rows", std::int64_t{-3}}, {"rate", 0.5}, {"why", "a b"}});
  EXPECT_THAT(
      line, MatchesRegex("....-..-..T..:..:..\\....Z info  connector started connector=shop rows=-3 rate=0.5 "
                         "why=\"a b\"\n"));
}

TEST(Logger, AValueCannotForgeAField) {
  for (const std::string_view value : {"", "x y=1", "a\nb", "\"", "a=b", "\\"}) {
    const std::string line = logged(LogFormat::kText, LogLevel::kError, "m", {{"k", value}, {"end", "1"}});
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
    EXPECT_THAT(line, HasSubstr(" k=\""));
    EXPECT_THAT(line, EndsWith("\" end=1\n"));
  }
}

TEST(Logger, WritesALineOfJson) {
  const std::string line = logged(LogFormat::kJson, LogLevel::kWarn, "slow {} sink",
                                  {{"who", "a\"\n\x01"}, {"nan", std::numeric_limits<double>::quiet_NaN()}});
  EXPECT_THAT(line, EndsWith("\",\"level\":\"warn\",\"message\":\"slow {} sink\",\"who\":\"a\\\"\\n\\u0001\","
                             "\"nan\":null}\n"));
  EXPECT_THAT(logged(LogFormat::kJson, LogLevel::kWarn, "m", {{"k", "a\xFF"}}), HasSubstr("a\\ufffd"));
}

TEST(Logger, DropsWhatIsBelowItsLevel) {
  EXPECT_EQ(logged(LogFormat::kText, LogLevel::kDebug, "m", {}), "");
  testing::internal::CaptureStderr();
  Logger().error("m");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(BoundedQueue, IsBoundedInBytesButLetsOneLargeItemThrough) {
  BoundedQueue<std::string> queue(10);
  std::string large = "large";
  EXPECT_TRUE(queue.push(large, 100, 0));
  std::string next = "next";
  EXPECT_FALSE(queue.push(next, 1, 0));
  EXPECT_EQ(next, "next");  // kept for the next try
  EXPECT_EQ(queue.pop(0), "large");
  EXPECT_TRUE(queue.push(next, 1, 0));
  EXPECT_EQ(queue.bytes(), 1U);
  queue.close();
  EXPECT_FALSE(queue.push(large, 1, 0));
  EXPECT_EQ(queue.pop(0), "next");  // what is in goes out
  EXPECT_EQ(queue.pop(0), std::nullopt);
}

TEST(ManualClock, MovesForwardOnly) {
  ManualClock clock(100);
  clock.sleep_until(50);
  EXPECT_EQ(clock.now_us(), 100);
  clock.sleep_until(150);
  EXPECT_EQ(clock.wall_us(), 150);
}

}  // namespace
}  // namespace millrace
