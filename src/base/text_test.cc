#include "base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "base/byte_reader.h"
#include "base/checksum.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ParseNumber, TakesTheWholeTextOrNothing) {
  EXPECT_EQ(parse_int64("-9223372036854775808"), INT64_MIN);
  EXPECT_EQ(parse_int64("9223372036854775808"), std::nullopt);
  EXPECT_EQ(parse_uint64("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(parse_uint64("18446744073709551616"), std::nullopt);
  EXPECT_EQ(parse_hex("16B3748"), 0x16B3748U);
  for (const char* text : {"", " 1", "1 ", "+1", "1.0", "0x1", "-", "--1"}) {
    EXPECT_EQ(parse_int64(text), std::nullopt) << text;
    EXPECT_EQ(parse_uint64(text), std::nullopt) << text;
    EXPECT_EQ(parse_hex(text), std::nullopt) << text;
  }
  EXPECT_EQ(parse_uint64("-1"), std::nullopt);
}

TEST(SplitList, TrimsKeepsEscapedCommasAndLeavesEmptyOut) {
  EXPECT_THAT(split_list("a, b ,,\tc\n"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(split_list(R"(public\.t{1\,3},x)"), ElementsAre(R"(public\.t{1,3})", "x"));
  EXPECT_THAT(split_list(R"(a\)"), ElementsAre(R"(a\)"));
  EXPECT_THAT(split_list(" , ,"), IsEmpty());
  EXPECT_THAT(split_list(""), IsEmpty());
}

TEST(NearestName, OffersWhatWasLikelyMeant) {
  constexpr std::array<std::string_view, 4> kKnown = {"slot.name", "table.include.list", "kind", "id"};
  EXPECT_EQ(nearest_name("slot.nmae", kKnown), "slot.name");  // two neighbours swapped
  EXPECT_EQ(nearest_name("table.include.lst", kKnown), "table.include.list");
  EXPECT_EQ(nearest_name("kinds", kKnown), "kind");
  EXPECT_EQ(nearest_name("zzzzzzzz", kKnown), "");
  EXPECT_EQ(nearest_name("xy", kKnown), "");  // two edits away from `id`, and nothing like it
  EXPECT_EQ(nearest_name("", kKnown), "");
  EXPECT_EQ(nearest_name(std::string(1'000'000, 'k'), kKnown), "");
}

TEST(Human, BytesAndDurations) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes((1U << 20U) - 1), "1.0 MiB");
  EXPECT_EQ(human_bytes(UINT64_MAX), "16.0 EiB");
  EXPECT_EQ(human_duration(850), "850 us");
  EXPECT_EQ(human_duration(12'300), "12.3 ms");
  EXPECT_EQ(human_duration(999'999), "1.0 s");
  EXPECT_EQ(human_duration(4'000'000), "4.0 s");
  EXPECT_EQ(human_duration(59'999'999), "1 min 0 s");
  EXPECT_EQ(human_duration(200'000'000), "3 min 20 s");
  EXPECT_EQ(human_duration(7'500'000'000), "2 h 5 min");
  EXPECT_EQ(human_duration(-850), "-850 us");
  EXPECT_EQ(human_duration(INT64_MIN).front(), '-');
}

TEST(IsUtf8, TakesWellFormedTextOnly) {
  for (const char* text :
       {"", "plain", "exactly8", "\xC3\xA4", "\xE2\x82\xAC", "\xED\x9F\xBF", "\xEE\x80\x80",
        "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "sevenby\xC3\xA4 and more"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const char* text : {"\x80", "\xC3", "\xC0\x80", "\xC1\xBF", "\xE0\x9F\xBF", "\xED\xA0\x80",
                           "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "\xE2\x82",
                           "\xE2\x28\xA1", "12345678\xFF", "\xF0\x9F\x98", "\xC3\xA4\xC3"}) {
    EXPECT_FALSE(is_utf8(text)) << testing::PrintToString(text);
  }
  EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
}

TEST(ByteReader, StaysFailedBehindTheEnd) {
  ByteReader reader(std::string_view("\x01\x02\x03word\0z", 9));
  EXPECT_EQ(reader.u16(), 0x0102U);
  EXPECT_EQ(reader.u8(), 3U);
  EXPECT_EQ(reader.c_string(), "word");
  EXPECT_EQ(reader.left(), 1U);
  EXPECT_EQ(reader.u32(), 0U);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.u8(), 0U);  // one byte was left, but nothing is read after a failure
  EXPECT_EQ(reader.c_string(), "");
  ByteReader sized("abc");
  EXPECT_EQ(sized.bytes(SIZE_MAX), "");
  EXPECT_FALSE(sized.ok());
}

TEST(Checksum, IsPartOfTheDiskFormatAndTakesPieces) {
  EXPECT_EQ(checksum(""), 0x2D06800538D394C2U);  // XXH3-64 of nothing, as published
  std::string text;
  for (int i = 0; i < 3000; ++i) text.push_back(static_cast<char>(i * 7));
  Checksum pieces;
  pieces.add(std::string_view(text).substr(0, 5));
  pieces.add("");
  pieces.add(std::string_view(text).substr(5, 1500));
  pieces.add(std::string_view(text).substr(1505));
  EXPECT_EQ(pieces.value(), checksum(text));
  text[2999] ^= 1;
  EXPECT_NE(pieces.value(), checksum(text));
}

}  // namespace
}  // namespace millrace
