#include "sink/redis/slot_record.h"

#include <gtest/gtest.h>

namespace millrace::redis {
namespace {

SlotRecord record(const char* slots, const char* position, const char* begun) {
  return {0, *parse_ranges(slots), *LogPosition::parse(position), *LogPosition::parse(begun)};
}
Reply hash(const std::vector<std::string>& command) {
  Reply out{Reply::Kind::kArray, 0, {}, {}};
  for (std::size_t i = 2; i < command.size(); ++i)
    out.elements.push_back({Reply::Kind::kBulk, 0, command[i], {}});
  return out;
}

TEST(SlotRecord, IsReadAsItWasWritten) {
  const std::string key = record_key("cache", 5461);
  EXPECT_EQ(slot_of(key), 5461);
  const SlotRecord one = record("5461-10922,11000", "1:42:0", "1:43:7,2:1:0");
  const auto read = read_record(hash(record_command(key, "LOG", one)), key, "LOG");
  ASSERT_TRUE(read);
  ASSERT_TRUE(*read);
  EXPECT_EQ((*read)->slots, one.slots);
  EXPECT_EQ((*read)->position, one.position);
  EXPECT_EQ((*read)->begun, one.begun);
  EXPECT_FALSE(*read_record(hash(record_command(key, "LOG", one)), key, "OTHER"));
  EXPECT_FALSE(*read_record(hash({}), key, "LOG"));
  EXPECT_FALSE(read_record(hash({"HSET", key, "log", "LOG", "position", "x"}), key, "LOG"));
}

TEST(SlotRecord, ItBeginsWhereTheSlotThatIsLeastFarStands) {
  const std::vector<SlotRecord> records = {record("0-5460", "1:10:0", "1:12:0"),
                                           record("5461-10922", "1:8:3", "1:8:3"),
                                           record("10923-16383", "1:9:0", "1:11:0")};
  const SlotPositions all = combine(records);
  EXPECT_EQ(all.start.text(), "1:8:3");
  EXPECT_EQ(all.begun.text(), "1:12:0");
}

TEST(SlotRecord, ASlotThatHasMovedCountsByTheFurthestRecord) {
  const std::vector<SlotRecord> records = {record("0-16383", "1:10:0", "1:10:0"),
                                           record("0-99", "1:12:0", "1:12:0")};
  EXPECT_EQ(combine(records).start.text(), "1:10:0");
  const std::vector<SlotRecord> other = {record("0-16383", "1:10:0", "1:10:0"),
                                         record("0-99", "1:7:0", "1:7:0")};
  EXPECT_EQ(combine(other).start.text(), "1:10:0");
}

TEST(SlotRecord, ASlotThatNobodySpeaksForBeginsAnew) {
  const std::vector<SlotRecord> records = {record("0-99", "1:10:0", "1:12:0"),
                                           record("101-16383", "1:10:0", "1:10:0")};
  EXPECT_FALSE(combine(records).complete);
  EXPECT_EQ(combine(records).start, LogPosition());
  EXPECT_EQ(combine(records).begun.text(), "1:12:0");
  EXPECT_EQ(combine({}).start, LogPosition());
}

TEST(SlotRecord, ABeginningIsAPositionToo) {
  const std::vector<SlotRecord> records = {record("0-16383", "", "1:12:0")};
  EXPECT_TRUE(combine(records).complete);
  EXPECT_EQ(combine(records).start, LogPosition());
  EXPECT_EQ(combine(records).begun.text(), "1:12:0");
}

TEST(SlotRecord, AStreamThatOneHasNotReadBeginsAnew) {
  const std::vector<SlotRecord> records = {record("0-99", "1:10:0,2:3:0", "1:10:0"),
                                           record("100-16383", "1:9:0", "1:9:0")};
  EXPECT_EQ(combine(records).start.text(), "1:9:0");
}

}  // namespace
}  // namespace millrace::redis
