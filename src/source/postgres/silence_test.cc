#include "source/postgres/silence.h"

#include <gtest/gtest.h>

namespace millrace::postgres {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

TEST(Silence, OfBothConnectionsIsSoonEnough) {
  Silence silence(10 * kSecond);
  silence.heard(100);
  EXPECT_EQ(silence.enough(1000 * kSecond), 0) << "nobody was asked";
  silence.asked(1000 * kSecond);
  silence.asked(1010 * kSecond);
  silence.heard(100);
  EXPECT_EQ(silence.enough(1029 * kSecond), 0);
  EXPECT_EQ(silence.enough(1030 * kSecond), 30 * kSecond);
}

TEST(Silence, EndsWithAnyByte) {
  Silence silence(10 * kSecond);
  silence.asked(1000 * kSecond);
  silence.heard(1);  // of a row that is on its way for minutes
  EXPECT_FALSE(silence.is_waiting());
  EXPECT_EQ(silence.enough(2000 * kSecond), 0);
}

TEST(Silence, OfABusyServerIsBorne) {
  Silence silence(10 * kSecond);
  silence.asked(1000 * kSecond);
  silence.answered(1150 * kSecond);
  EXPECT_EQ(silence.enough(1170 * kSecond), 0);
  EXPECT_EQ(silence.enough(1180 * kSecond), 180 * kSecond) << "the other connection has fallen silent too";
  silence.answered(1180 * kSecond);
  EXPECT_EQ(silence.enough(1180 * kSecond), 180 * kSecond) << "busy for too long";
}

TEST(Silence, WithoutProgressIsBorneLongerEachTime) {
  Silence silence(10 * kSecond);
  EXPECT_EQ(silence.busy_limit_us(), Silence::kBusyUs);
  silence.give_up(7);
  EXPECT_EQ(silence.busy_limit_us(), 2 * Silence::kBusyUs);
  silence.restart();
  silence.give_up(7);
  EXPECT_EQ(silence.busy_limit_us(), 4 * Silence::kBusyUs);
  for (int i = 0; i < 100; ++i) silence.give_up(7);
  EXPECT_EQ(silence.busy_limit_us(), Silence::kBusyUs << Silence::kMostDoublings);
  silence.give_up(8);
  EXPECT_EQ(silence.busy_limit_us(), 2 * Silence::kBusyUs);
}

TEST(Silence, OfAMomentIsNeverEnough) {
  Silence silence(kSecond / 10);
  silence.asked(1000 * kSecond);
  EXPECT_EQ(silence.enough(1002 * kSecond), 0);
}

}  // namespace
}  // namespace millrace::postgres
