#include "sink/redis/client/slot.h"

#include <gtest/gtest.h>

#include "sink/redis/client/slot_map.h"

namespace millrace::redis {
namespace {

Reply integer(std::int64_t value) { return {Reply::Kind::kInteger, value, {}, {}}; }
Reply bulk(std::string text) { return {Reply::Kind::kBulk, 0, std::move(text), {}}; }
Reply array(std::vector<Reply> elements) { return {Reply::Kind::kArray, 0, {}, std::move(elements)}; }
Reply range(std::int64_t first, std::int64_t last, std::string host, std::int64_t port) {
  return array({integer(first), integer(last), array({bulk(std::move(host)), integer(port), bulk("id")})});
}

TEST(Slot, TheVectorOfTheSpecification) {
  EXPECT_EQ(crc16("123456789"), 0x31C3);
  EXPECT_EQ(slot_of("123456789"), 12739);
  EXPECT_EQ(slot_of(""), 0);
  EXPECT_EQ(slot_of("foo"), 12182);
  EXPECT_EQ(slot_of("somekey"), 11058);
}

TEST(Slot, OnlyTheFirstHashTagCounts) {
  EXPECT_EQ(slot_of("{user1000}.following"), slot_of("user1000"));
  EXPECT_EQ(slot_of("foo{{bar}}zap"), slot_of("{bar"));
  EXPECT_EQ(slot_of("foo{bar}{zap}"), slot_of("bar"));
  EXPECT_EQ(slot_of("a}b{c}"), slot_of("c"));
  EXPECT_EQ(slot_of("foo{}{bar}"), crc16("foo{}{bar}") % kSlots);
  EXPECT_EQ(slot_of("foo{bar"), crc16("foo{bar") % kSlots);
}

TEST(Slot, EverySlotHasATag) {
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    const auto number = static_cast<std::uint16_t>(slot);
    ASSERT_EQ(slot_of("x:{" + std::string(slot_tag(number)) + "}:{y}"), slot);
  }
}

TEST(SlotMap, MastersByTheirSlots) {
  const auto map = read_slot_map(array({range(8000, 16383, "b", 2), range(0, 5460, "", 1),
                                        range(5461, 7000, "c", 3), range(7001, 7999, "a", 1)}),
                                 "a");
  ASSERT_TRUE(map) << map.error().message;
  ASSERT_EQ(map->nodes.size(), 3U);
  EXPECT_EQ(map->nodes[0].at.text(), "a:1");
  EXPECT_EQ(ranges_text(map->nodes[0].slots), "0-5460,7001-7999");
  EXPECT_EQ(map->nodes[1].at.text(), "c:3");
  EXPECT_EQ(map->owner[7001], 0);
  EXPECT_EQ(map->owner[7000], 1);
  EXPECT_EQ(map->owner[16383], 2);
}

TEST(SlotMap, SlotsWithoutAMasterAreNamed) {
  const auto map = read_slot_map(array({range(0, 9, "a", 1), range(11, 16380, "b", 2)}), "a");
  ASSERT_FALSE(map);
  EXPECT_EQ(map.error().next, Next::kRetry);
  EXPECT_NE(map.error().message.find("slots 10,16381-16383 "), std::string::npos);
}

TEST(SlotMap, WhatIsNoneIsRefused) {
  EXPECT_FALSE(read_slot_map(bulk("x"), "a"));
  EXPECT_FALSE(read_slot_map(array({array({integer(0), integer(16383)})}), "a"));
  EXPECT_FALSE(read_slot_map(array({range(0, 16384, "a", 1)}), "a"));
  EXPECT_FALSE(read_slot_map(array({range(-1, 16383, "a", 1)}), "a"));
  EXPECT_FALSE(read_slot_map(array({range(0, 16383, "a", 0)}), "a"));
  EXPECT_FALSE(read_slot_map(array({range(0, 16383, "?", 1)}), "a"));
}

TEST(SlotMap, Redirections) {
  const auto moved = parse_redirection("MOVED 3999 127.0.0.1:6381");
  ASSERT_TRUE(moved);
  EXPECT_FALSE(moved->ask);
  EXPECT_EQ(moved->slot, 3999);
  EXPECT_EQ(moved->to, (HostPort{"127.0.0.1", 6381}));
  EXPECT_TRUE(parse_redirection("ASK 1 ::1:6381")->ask);
  EXPECT_EQ(parse_redirection("ASK 1 ::1:6381")->to, (HostPort{"::1", 6381}));
  EXPECT_EQ(parse_redirection("MOVED 1 :6381")->to, (HostPort{"", 6381}));
  for (const char* text :
       {"", "MOVED", "MOVED 1", "MOVED x a:1", "MOVED 16384 a:1", "ASK 1 a", "ASK 1 a:0", "ERR MOVED 1 a:1"})
    EXPECT_FALSE(parse_redirection(text)) << text;
}

TEST(SlotMap, RangesAsText) {
  const auto ranges = parse_ranges("0-5460,7000,16383");
  ASSERT_TRUE(ranges);
  EXPECT_EQ(ranges_text(*ranges), "0-5460,7000,16383");
  EXPECT_TRUE(parse_ranges("")->empty());
  for (const char* text : {"1-", "-1", "2-1", "16384", "1,,2", "a"}) EXPECT_FALSE(parse_ranges(text)) << text;
}

}  // namespace
}  // namespace millrace::redis
