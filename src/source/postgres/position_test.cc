#include "source/postgres/position.h"

#include <gtest/gtest.h>

namespace millrace::postgres {
namespace {

StreamPoint point(Lsn next) {
  StreamPoint out;
  out.next = next;
  out.system_id = "7711";
  out.timeline = 1;
  return out;
}

ServerIdentity server(Lsn wal_end = 0x9000) { return {"7711", 1, wal_end, {}}; }

SlotFacts slot(Lsn confirmed) {
  SlotFacts out;
  out.plugin = "pgoutput";
  out.type = "logical";
  out.database = "shop";
  out.wal_status = "reserved";
  out.confirmed_flush = confirmed;
  return out;
}

Status check(const std::optional<StreamPoint>& position, const ServerIdentity& identity,
             const std::optional<SlotFacts>& facts) {
  return check_resume(position, identity, facts, "s", "shop");
}

TEST(Lsn, TextAndKey) {
  EXPECT_EQ(lsn_text(0x16B3748), "0/16B3748");
  EXPECT_EQ(lsn_text(0x1600000000ULL), "16/0");
  EXPECT_EQ(parse_lsn("16/B374D848"), 0x16B374D848ULL);
  EXPECT_EQ(parse_lsn("FFFFFFFF/FFFFFFFF"), ~Lsn{0});
  for (const std::string_view bad :
       {"", "/", "1/", "/1", "1", "123456789/0", "0/123456789", "g/0", "0/0/0"}) {
    EXPECT_FALSE(parse_lsn(bad)) << bad;
  }
  EXPECT_EQ(lsn_key(0x16B3748), "00000000016B3748");
  EXPECT_EQ(parse_lsn_key("00000000016B3748"), 0x16B3748U);
  EXPECT_FALSE(parse_lsn_key("16B3748"));
  EXPECT_LT(lsn_key(0x9), lsn_key(0x10));
}

TEST(Position, ComesBackAsItWas) {
  StreamPoint open = point(0x16B3748);
  open.epoch = 3;
  open.open_commit = 0x16B4000;
  open.open_rows = 12;
  for (const StreamPoint& p : {point(0x16B3748), open}) {
    const auto back = to_stream_point(to_source_position(p));
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, p);
  }
}

TEST(Position, OfAnotherKindOfSourceIsRefused) {
  SourcePosition mysql;
  mysql.commit = "binlog.000001:4";
  EXPECT_FALSE(to_stream_point(mysql));
  SourcePosition without_open = to_source_position(point(5));
  without_open.rows = 3;
  EXPECT_FALSE(to_stream_point(without_open));
}

TEST(Position, Order) {
  const SourcePosition a = to_source_position(point(5));
  SourcePosition b = to_source_position(point(0x10));
  EXPECT_EQ(compare_positions(a, b), std::partial_ordering::less);
  EXPECT_EQ(compare_positions(a, a), std::partial_ordering::equivalent);
  SourcePosition rows = a;
  rows.rows = 2;
  EXPECT_EQ(compare_positions(a, rows), std::partial_ordering::less);
  SourcePosition later = a;
  later.epoch = 1;
  EXPECT_EQ(compare_positions(later, b), std::partial_ordering::greater);
  StreamPoint other = point(0x10);
  other.system_id = "8";
  EXPECT_EQ(compare_positions(a, to_source_position(other)), std::partial_ordering::unordered);
}

TEST(Resume, GoesOnWhereNothingIsSkipped) {
  EXPECT_TRUE(check(std::nullopt, server(), std::nullopt));
  EXPECT_TRUE(check(std::nullopt, server(), slot(0x100)));
  EXPECT_TRUE(check(point(0x100), server(), slot(0x100)));
  EXPECT_TRUE(check(point(0x200), server(), slot(0x100)));
}

TEST(Resume, RefusesToSkip) {
  struct Case {
    std::optional<StreamPoint> position;
    ServerIdentity identity;
    std::optional<SlotFacts> facts;
    std::string_view says;
  };
  SlotFacts physical = slot(0);
  physical.type = "physical";
  physical.plugin = "";
  SlotFacts foreign = slot(0);
  foreign.database = "other";
  SlotFacts lost = slot(0x100);
  lost.wal_status = "lost";
  const Case cases[] = {
      {point(0x100), server(), std::nullopt, "is gone"},
      {point(0x100), server(), slot(0x101), "would be skipped"},
      {point(0x100), {"8", 1, 0x9000, {}}, slot(0x100), "another database server"},
      {point(0x100), server(0x50), slot(0x40), "ends at 0/50"},
      {point(0x100), {"7711", 2, 0x9000, {}}, slot(0x100), "timeline 2"},
      {point(0x100), {"7711", 2, 0x9000, {{1, 0xFF}}}, slot(0x100), "timeline 2"},
      {std::nullopt, server(), physical, "another kind"},
      {std::nullopt, server(), foreign, "belongs to database other"},
      {point(0x100), server(), lost, "lost"},
  };
  for (const Case& c : cases) {
    const Status status = check(c.position, c.identity, c.facts);
    ASSERT_FALSE(status) << c.says;
    EXPECT_EQ(status.error().next, Next::kStop) << c.says;
    EXPECT_NE(status.error().message.find(c.says), std::string::npos) << status.error().message;
    EXPECT_FALSE(status.error().hint.empty()) << c.says;
  }
}

TEST(Resume, APromotionBehindOurPositionIsFine) {
  EXPECT_TRUE(check(point(0x100), {"7711", 3, 0x9000, {{1, 0x100}, {2, 0x200}}}, slot(0x80)));
}

TEST(Resume, WaitsForASlotInUse) {
  SlotFacts busy = slot(0x100);
  busy.active = true;
  busy.active_pid = 42;
  const Status status = check(point(0x100), server(), busy);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().next, Next::kRetry);
  EXPECT_NE(status.error().message.find("42"), std::string::npos);
}

TEST(Resume, TimelineHistory) {
  const auto history =
      parse_timeline_history("1\t0/3000158\tno recovery target specified\n\nnonsense\n2\t0/4000000\tx\n");
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(history[0].timeline, 1U);
  EXPECT_EQ(history[0].end, 0x3000158U);
  EXPECT_EQ(history[1].end, 0x4000000U);
}

}  // namespace
}  // namespace millrace::postgres
