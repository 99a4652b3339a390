#include "base/pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace {
namespace {

using ::testing::HasSubstr;

PatternList compiled(const std::vector<std::string>& patterns, bool ignore_case = false) {
  auto list = PatternList::compile(patterns, ignore_case);
  EXPECT_TRUE(list);
  return std::move(list).value();
}

TEST(PatternList, MatchesWholeNamesOnly) {
  const PatternList list = compiled({R"(public\.t\d+)", "a|ab"});
  EXPECT_TRUE(list.matches("public.t12"));
  EXPECT_TRUE(list.matches("ab"));  // the alternation is anchored as a whole
  EXPECT_FALSE(list.matches("xpublic.t12"));
  EXPECT_FALSE(list.matches("public.t12\n"));
  EXPECT_FALSE(list.matches("publicxt1"));
  EXPECT_FALSE(list.matches(""));
}

TEST(PatternList, WithoutPatternsNothingMatches) {
  EXPECT_FALSE(PatternList().matches(""));
  EXPECT_TRUE(PatternList().empty());
  const PatternList none = compiled({});
  EXPECT_TRUE(none.empty());
  EXPECT_FALSE(none.matches("a"));
}

TEST(PatternList, IgnoresCaseBeyondAscii) {
  EXPECT_TRUE(compiled({"\xC3\xA4rger"}, true).matches("\xC3\x84RGER"));
  EXPECT_FALSE(compiled({"\xC3\xA4rger"}).matches("\xC3\x84RGER"));
}

TEST(PatternList, AWrongPatternIsNamedWithItsPlace) {
  const auto list = PatternList::compile({"fine", "public.(t"}, false);
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().next, Next::kStop);
  EXPECT_THAT(list.error().message, HasSubstr("public.(t"));
  EXPECT_THAT(list.error().message, HasSubstr("character 10"));
}

TEST(PatternList, APatternThatExplodesDoesNotHang) {
  const PatternList list = compiled({"(a+)+(b+)+(c*)*$x", "plain"});
  EXPECT_FALSE(list.matches(std::string(200, 'a') + std::string(200, 'b')));
  EXPECT_TRUE(list.matches("plain"));
}

TEST(PatternList, NothingMatchesWhatIsNotUtf8) { EXPECT_FALSE(compiled({".*"}).matches("\xFF")); }

}  // namespace
}  // namespace millrace
