#include "log/image_codec.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace millrace {
namespace {

std::string pack(const std::vector<std::string_view>& parts) {
  std::string out;
  pack_image(parts, out);
  return out;
}

TEST(ImageCodecTest, UnpackGivesTheJoinedParts) {
  const std::string zeros(10'000, '\0');
  std::string noise;
  for (unsigned i = 0, x = 7; i < 5000; ++i)
    noise.push_back(static_cast<char>((x = x * 1'103'515'245 + 12'345) >> 16U));
  const std::vector<std::vector<std::string_view>> cases = {{},      {""},    {"", "a", ""},
                                                            {zeros}, {noise}, {"head", zeros, noise, "tail"}};
  std::string reused = "left over from before";
  for (const auto& parts : cases) {
    std::string joined;
    for (const std::string_view part : parts) joined += part;
    pack_image(parts, reused);
    const auto back = unpack_image(reused);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, joined);
  }
  EXPECT_LT(pack({zeros}).size(), 200U);
  EXPECT_EQ(pack({noise}).size(), noise.size() + 10);
}

TEST(ImageCodecTest, AnyCutIsAnError) {
  const std::string zeros(1000, 'z');
  const std::string packed = pack({"head", zeros});
  for (std::size_t size = 0; size < packed.size(); ++size) {
    const auto back = unpack_image(std::string_view(packed).substr(0, size));
    ASSERT_FALSE(back) << size;
    EXPECT_EQ(back.error().next, Next::kStop);
  }
  EXPECT_FALSE(unpack_image(packed + "x"));
}

TEST(ImageCodecTest, ClaimsOfHugeSizesAreNotBelieved) {
  using std::string_literals::operator""s;
  EXPECT_FALSE(unpack_image("\1\1\xFF\xFF\xFF\xFF\0\0\0\1x"s));
  EXPECT_FALSE(unpack_image("\1\1\0\0\0\1\xFF\xFF\xFF\xFFx"s));
  EXPECT_FALSE(unpack_image("\2\0"s));
}

TEST(ImageCodec, CountsWhatAnImageHas) {
  const std::string_view parts[] = {"ab", "", "cde"};
  EXPECT_EQ(image_bytes(parts), 5U);
}

}  // namespace
}  // namespace millrace
