#include "connect/log_position.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(LogPositionTest, TextAndBack) {
  LogPosition position;
  position.set({7, 15, 3});
  position.set({1, 18'446'744'073'709'551'615U, 4'294'967'295U});
  position.set({7, 16, 0});
  EXPECT_EQ(position.text(), "1:18446744073709551615:4294967295,7:16:0");
  const auto back = LogPosition::parse(position.text());
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, position);
}

TEST(LogPositionTest, EmptyIsTheBeginning) {
  const auto parsed = LogPosition::parse("");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->streams().empty());
  EXPECT_EQ(parsed->at(3), (StreamPosition{3, 0, 0}));
}

TEST(LogPositionTest, CoversComparesEveryStream) {
  const auto at = [](std::string_view text) { return *LogPosition::parse(text); };
  EXPECT_TRUE(at("1:5:0").covers(at("1:4:9")));
  EXPECT_TRUE(at("1:5:0,2:1:1").covers(at("1:5:0")));
  EXPECT_FALSE(at("1:5:0").covers(at("1:5:0,2:0:1")));
  EXPECT_TRUE(at("1:5:0").covers(at("2:0:0")));
  EXPECT_FALSE(at("1:5:0,2:9:0").covers(at("1:5:1")));
  EXPECT_TRUE(at("").covers(at("")));
}

TEST(LogPositionTest, MalformedTextIsAnError) {
  for (const char* text :
       {"1", "1:2", "1:2:3:4", "a:2:3", "1:2:3,", ",1:2:3", "1:2:3,,2:2:3", "1:2:-3", "1: 2:3", "2:0:0,1:0:0",
        "1:0:0,1:0:0", "4294967296:0:0", "1:0:4294967296", "1:18446744073709551616:0"}) {
    const auto parsed = LogPosition::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().next, Next::kStop);
  }
}

}  // namespace
}  // namespace millrace
