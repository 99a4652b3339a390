#include "base/failpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace millrace {
namespace {

using ::testing::HasSubstr;

TEST(FailPoints, FailAtTheNthPassingOnly) {
  FailPoints points;
  ASSERT_TRUE(FailPoints::parse("log.append=error@3, log.read=error", points));
  EXPECT_TRUE(points.pass("log.append"));
  EXPECT_TRUE(points.pass("log.append"));
  const Status third = points.pass("log.append");
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().next, Next::kReconnect);
  EXPECT_THAT(third.error().message, HasSubstr("log.append"));
  EXPECT_TRUE(points.pass("log.append"));
  EXPECT_FALSE(points.pass("log.read"));  // the first without a number
  EXPECT_TRUE(points.pass("elsewhere"));
}

TEST(FailPoints, ANameMayBeGivenTwice) {
  FailPoints points;
  ASSERT_TRUE(FailPoints::parse("a=error@1,a=sleep:0@2,a=error@3", points));
  EXPECT_FALSE(points.pass("a"));
  EXPECT_TRUE(points.pass("a"));
  EXPECT_FALSE(points.pass("a"));
}

TEST(FailPoints, KillIsAKill) {
  FailPoints points;
  ASSERT_TRUE(FailPoints::parse("a=kill@2", points));
  EXPECT_TRUE(points.pass("a"));
  EXPECT_EXIT(static_cast<void>(points.pass("a")), testing::KilledBySignal(SIGKILL), "");
}

TEST(FailPoints, WithoutSettingsNothingHappens) {
  FailPoints points;
  EXPECT_TRUE(FailPoints::parse("", points));
  EXPECT_TRUE(points.pass("a"));
}

TEST(FailPoints, AnUnknownFormShowsTheRightOneAndSetsNothing) {
  for (const char* text : {"a", "a=", "=kill", "a=die", "a=kill@", "a=kill@0", "a=kill@x", "a=kill@-1",
                           "a=sleep", "a=sleep:", "a=sleep:-1", "a=sleep:999999999", "b=error,a=oops"}) {
    FailPoints points;
    const Status status = FailPoints::parse(text, points);
    ASSERT_FALSE(status) << text;
    EXPECT_THAT(status.error().hint, HasSubstr("name=kill@n")) << text;
    EXPECT_TRUE(points.pass("b")) << text;
  }
}

}  // namespace
}  // namespace millrace
