#include "source/postgres/protocol.h"

#include <gtest/gtest.h>

#include <deque>

#include "source/postgres/test_messages.h"

namespace millrace::postgres {
namespace {

using std::string_literals::operator""s;

/// What is parsed points into the bytes, so they are kept.
class ProtocolTest : public ::testing::Test {
 protected:
  std::string_view keep(std::string bytes) { return kept_.emplace_back(std::move(bytes)); }

 private:
  std::deque<std::string> kept_;
};

TEST_F(ProtocolTest, ReadsFrames) {
  Frame frame;
  ASSERT_TRUE(parse_frame(keep(test::data_frame(0x16B3748, "payload")), frame));
  EXPECT_EQ(frame.kind, Frame::Kind::kData);
  EXPECT_EQ(frame.start, 0x16B3748U);
  EXPECT_EQ(frame.payload, "payload");

  ASSERT_TRUE(parse_frame(keep(test::keep_alive(0x200, true)), frame));
  EXPECT_EQ(frame.kind, Frame::Kind::kKeepAlive);
  EXPECT_EQ(frame.wal_end, 0x200U);
  EXPECT_TRUE(frame.reply_requested);
}

TEST_F(ProtocolTest, RefusesFramesThatAreCutShortOrUnknown) {
  Frame frame;
  EXPECT_FALSE(parse_frame("", frame));
  EXPECT_FALSE(parse_frame("w123", frame));
  EXPECT_FALSE(parse_frame("x" + std::string(40, '\0'), frame));
  const Status status = parse_frame("k", frame);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().next, Next::kStop);
}

TEST_F(ProtocolTest, StatusUpdateHasThreePositionsAndTheClock) {
  const std::string status = standby_status(0x0102030405060708U, 946'684'800'000'001, true);
  ASSERT_EQ(status.size(), 34U);
  EXPECT_EQ(status[0], 'r');
  const std::string lsn = "\x01\x02\x03\x04\x05\x06\x07\x08"s;
  EXPECT_EQ(status.substr(1, 24), lsn + lsn + lsn);
  EXPECT_EQ(status.substr(25, 8), "\0\0\0\0\0\0\0\x01"s);
  EXPECT_EQ(status[33], 1);
}

TEST_F(ProtocolTest, ReadsATransaction) {
  Message m;
  ASSERT_TRUE(parse_message(keep(test::begin(0x500, 1, 42)), m));
  EXPECT_EQ(m.type, MessageType::kBegin);
  EXPECT_EQ(m.commit_lsn, 0x500U);
  EXPECT_EQ(m.xid, 42U);
  EXPECT_EQ(m.commit_us, 946'684'800'000'001);

  ASSERT_TRUE(parse_message(keep(test::commit(0x500, 0x530, 1)), m));
  EXPECT_EQ(m.type, MessageType::kCommit);
  EXPECT_EQ(m.commit_lsn, 0x500U);
  EXPECT_EQ(m.end_lsn, 0x530U);
}

TEST_F(ProtocolTest, ReadsARelation) {
  Message m;
  const std::string bytes =
      test::relation(7, "public", "t", 'f', {{true, "id", 23, -1}, {false, "näme", 1043, 14}});
  ASSERT_TRUE(parse_message(bytes, m));
  EXPECT_EQ(m.relation.oid, 7U);
  EXPECT_EQ(m.relation.schema, "public");
  EXPECT_EQ(m.relation.identity, 'f');
  ASSERT_EQ(m.relation.columns.size(), 2U);
  EXPECT_TRUE(m.relation.columns[0].in_identity);
  EXPECT_EQ(m.relation.columns[1].name, "näme");
  EXPECT_EQ(m.relation.columns[1].type_modifier, 14);
}

TEST_F(ProtocolTest, AnEmptySchemaIsPgCatalog) {
  Message m;
  ASSERT_TRUE(parse_message(keep(test::relation(7, "", "t", 'd', {})), m));
  EXPECT_EQ(m.relation.schema, "pg_catalog");
}

TEST_F(ProtocolTest, ReadsChangesWithTheirOldRows) {
  Message m;
  ASSERT_TRUE(parse_message(keep(test::insert(7, {"1", std::nullopt})), m));
  ASSERT_EQ(m.new_row.size(), 2U);
  EXPECT_EQ(m.new_row[0].bytes, "1");
  EXPECT_EQ(m.new_row[1].kind, 'n');
  EXPECT_EQ(m.old_kind, 0);

  ASSERT_TRUE(parse_message(keep(test::update(7, 'K', {"1"}, {test::kUnchangedValue})), m));
  EXPECT_EQ(m.old_kind, 'K');
  EXPECT_EQ(m.old_row[0].bytes, "1");
  EXPECT_EQ(m.new_row[0].kind, 'u');

  ASSERT_TRUE(parse_message(keep(test::update(7, 0, {}, {"2"})), m));
  EXPECT_EQ(m.old_kind, 0);
  EXPECT_TRUE(m.old_row.empty());

  ASSERT_TRUE(parse_message(keep(test::erase(7, 'O', {"3"})), m));
  EXPECT_EQ(m.type, MessageType::kDelete);
  EXPECT_EQ(m.old_row[0].bytes, "3");
  EXPECT_TRUE(m.new_row.empty());
}

TEST_F(ProtocolTest, ReadsTruncate) {
  Message m;
  ASSERT_TRUE(parse_message(keep(test::truncate({7, 9}, 1)), m));
  EXPECT_EQ(m.truncated, (std::vector<std::uint32_t>{7, 9}));
  EXPECT_EQ(m.truncate_flags, 1);
}

TEST_F(ProtocolTest, EveryMessageCutShortIsRefused) {
  const std::string messages[] = {
      test::begin(1, 2, 3),
      test::commit(1, 2, 3),
      test::relation(7, "public", "t", 'd', {{true, "id", 23, -1}}),
      test::insert(7, {"12345", std::nullopt}),
      test::update(7, 'O', {"1", "2"}, {"3", test::kUnchangedValue}),
      test::erase(7, 'K', {"1", std::nullopt}),
      test::truncate({7, 9}, 0),
      test::type(600, "public", "mood"),
  };
  for (const std::string& whole : messages) {
    Message m;
    ASSERT_TRUE(parse_message(whole, m)) << whole[0];
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(parse_message(std::string_view(whole).substr(0, size), m)) << whole[0] << " at " << size;
    }
    EXPECT_FALSE(parse_message(whole + "x", m)) << whole[0] << " with more behind it";
  }
}

TEST_F(ProtocolTest, AnUnknownMessageIsAStopThatSaysWhy) {
  Message m;
  const Status status = parse_message("S\0\0\0\1"s, m);  // stream start: protocol version 2
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().next, Next::kStop);
  EXPECT_NE(status.error().hint.find("newer"), std::string::npos);
}

TEST_F(ProtocolTest, CountsThatLieAreRefusedBeforeAnythingIsAllocated) {
  Message m;
  EXPECT_FALSE(parse_message("I" + std::string("\0\0\0\7", 4) + "N\xFF\xFF", m));
  EXPECT_FALSE(parse_message("T\x7F\xFF\xFF\xFF\0"s, m));
  EXPECT_FALSE(
      parse_message("I" + std::string("\0\0\0\7", 4) + "N" + std::string("\0\1t\xFF\xFF\xFF\xFF", 7), m));
}

}  // namespace
}  // namespace millrace::postgres
