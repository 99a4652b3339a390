#include "sink/redis/parked_keys.h"

#include <gtest/gtest.h>

#include <string>

namespace millrace::redis {
namespace {

Rejected rejected(std::uint64_t sequence, std::uint32_t row, const std::string& key,
                  const std::string& member = "") {
  Rejected out{1, sequence, row, "t", key, "error"};
  out.member = member;
  return out;
}

TEST(ParkedKeys, AKeyLacksTheRowsInFrontOfAPlace) {
  ParkedKeys keys(true);
  EXPECT_TRUE(keys.empty());
  keys.add(rejected(5, 2, "k"));
  keys.add(rejected(5, 2, "k"));
  EXPECT_TRUE(keys.lacks("k", "", {1, 5, 3}));
  EXPECT_TRUE(keys.lacks("k", "", {1, 6, 0}));
  EXPECT_TRUE(keys.lacks("k", "", {2, 1, 0})) << "another stream: nobody knows";
  EXPECT_FALSE(keys.lacks("k", "", {1, 5, 2})) << "the row itself";
  EXPECT_FALSE(keys.lacks("k", "", {1, 4, 9}));
  EXPECT_FALSE(keys.lacks("other", "", {1, 6, 0}));
  keys.remove(rejected(5, 2, "k"));
  EXPECT_TRUE(keys.empty());
  EXPECT_FALSE(keys.lacks("k", "", {1, 6, 0}));
}

TEST(ParkedKeys, MembersOfAKeyAreKeptApart) {
  ParkedKeys keys(true);
  keys.add(rejected(1, 0, "k", "ab"));
  EXPECT_TRUE(keys.lacks("k", "ab", {1, 2, 0}));
  EXPECT_FALSE(keys.lacks("k", "a", {1, 2, 0}));
  EXPECT_FALSE(keys.lacks("ka", "b", {1, 2, 0}));
  EXPECT_FALSE(keys.lacks("k", "", {1, 2, 0}));
}

TEST(ParkedKeys, RowsWithoutAKeyAndHistoriesAreLeftOut) {
  ParkedKeys keys(true);
  keys.add(rejected(1, 0, ""));
  EXPECT_TRUE(keys.empty());
  ParkedKeys of_history(false);
  of_history.add(rejected(1, 0, "k"));
  EXPECT_TRUE(of_history.empty());
}

TEST(ParkedKeys, OfTooManyRowsEveryKeyIsTakenToLackOne) {
  ParkedKeys keys(true);
  for (std::size_t i = 0; i < ParkedKeys::kMaxRows; ++i) keys.add(rejected(i, 0, "k" + std::to_string(i)));
  EXPECT_FALSE(keys.lacks("other", "", {1, UINT64_MAX, 0}));
  keys.add(rejected(1, 0, "one more"));
  EXPECT_TRUE(keys.lacks("other", "", {1, UINT64_MAX, 0}));
  keys.clear();
  EXPECT_TRUE(keys.empty());
  EXPECT_FALSE(keys.lacks("other", "", {1, UINT64_MAX, 0}));
}

}  // namespace
}  // namespace millrace::redis
