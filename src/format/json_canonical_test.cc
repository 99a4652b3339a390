#include "format/json_canonical.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(CanonicalJson, OneTextForEachValue) {
  const auto same = [](std::string_view a, std::string_view b) {
    EXPECT_EQ(canonical_json(a).value_or("?a"), canonical_json(b).value_or("?b")) << a << " and " << b;
  };
  same(R"({"b":1,"a":[true,null,"x"]})", R"( { "a" : [ true , null , "x" ] , "b" : 1 } )");
  same("1.0", "1");
  same("1e2", "100");
  same("-0", "0");
  same("0.1", "1e-1");
  same(R"("\u00e9\n\/")", "\"é\\u000a/\"");
  same(R"("\ud83d\ude00")", "\"😀\"");
  same(R"({"a":1,"a":2})", R"({"a":2})");
  EXPECT_NE(canonical_json("9007199254740993"), canonical_json("9007199254740992"));
  EXPECT_NE(canonical_json(R"("1")"), canonical_json("1"));
  EXPECT_EQ(canonical_json("1e400").value_or(""), "1e400");
  EXPECT_EQ(canonical_json("[]").value_or(""), "[]");
  EXPECT_EQ(canonical_json("-1666666666666666754048").value_or(""), "-1666666666666666754048");
}

TEST(CanonicalJson, WhatIsNoneIsRefused) {
  for (const char* bad : {"", "{", "[1,]", "{\"a\"}", "01", "1 2", "\"\\ud800\"", "\"\\x\"", "tru",
                          "{\"a\":1,}", "\"\xff\"", "nan"})
    EXPECT_FALSE(canonical_json(bad)) << bad;
  EXPECT_FALSE(canonical_json(std::string(2000, '[') + std::string(2000, ']')));
}

TEST(CanonicalJson, DoublesMayBeOffByTheirLastBits) {
  EXPECT_TRUE(same_canonical("90.33333333333333", "90.33333333333331"));
  EXPECT_TRUE(same_canonical(R"([{"a":0.1,"b":"0.1"}])", R"([{"a":0.10000000000000002,"b":"0.1"}])"));
  EXPECT_FALSE(same_canonical(R"(["0.1"])", R"(["0.10000000000000002"])"));
  EXPECT_FALSE(same_canonical("90.33333333333333", "90.3333333333"));
  EXPECT_FALSE(same_canonical("9007199254740993", "9007199254740992"));
  EXPECT_FALSE(same_canonical("1", "10"));
  EXPECT_FALSE(same_canonical("[1,2]", "[1]"));
  EXPECT_FALSE(same_canonical("\"a\\\"1\"", "\"a\\\"2\""));
}

TEST(CanonicalJson, Members) {
  const auto members = json_members(R"({"b":{"y":1,"x":2},"a":1.0})");
  ASSERT_TRUE(members);
  EXPECT_EQ(*members, (std::map<std::string, std::string>{{"a", "1"}, {"b", R"({"x":2,"y":1})"}}));
  EXPECT_FALSE(json_members("[1]"));
  EXPECT_FALSE(json_members("{} x"));
}

}  // namespace
}  // namespace millrace
