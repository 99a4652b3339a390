#include "sink/redis/target/encoder.h"

#include <gtest/gtest.h>

#include "sink/redis/client/resp.h"
#include "sink/redis/target/commands.h"
#include "sink/redis/target/test_rows.h"

namespace millrace::redis {
namespace {

const auto kTable = test_schema("t", {"id", "a", "big"});

Target target_of(TargetType type, std::string_view key) {
  Target target;
  target.type = type;
  target.key_template = *KeyTemplate::parse(key, KeyTemplate::Keys::kShared);
  return target;
}

/// Commands as lines of text, and what was refused.
class Script {
 public:
  explicit Script(TargetType target = TargetType::kJson, std::string_view text = "k:{id}")
      : Script(target_of(target, text)) {}
  explicit Script(const Target& target) : encoder_(target), writer_(target) {
    writer_.target().set_scripts({"MERGE", "REMOVE"});
  }

  /// Offers all rows; stops at the first that is not overlaid and answers what it was offered as.
  Encoder::Taken add(const ReadBatch& rows, bool replayed = false) {
    encoder_.begin(rows, replayed);
    for (std::uint32_t row = rows.first_row; row < rows.end_row; ++row) {
      stopped_at = row;
      const auto taken = encoder_.add(row, rejected);
      if (taken != Encoder::Taken::kYes) return taken;
    }
    return Encoder::Taken::kYes;
  }

  std::vector<std::string> commands() {
    const Overlay overlay = encoder_.take();
    std::string out;
    for (const auto& entry : overlay.entries)
      static_cast<void>(writer_.append(out, overlay, entry, rejected));
    return lines(out);
  }

  static std::vector<std::string> lines(const std::string& out) {
    ReplyParser parser;  // a command is an array of texts
    parser.feed(out);
    std::vector<std::string> found;
    Reply command;
    while (*parser.next(command)) {
      std::string line;
      for (const Reply& word : command.elements) line += (line.empty() ? "" : " ") + word.text;
      found.push_back(line);
    }
    EXPECT_EQ(parser.buffered(), 0U);
    return found;
  }

  Encoder& encoder() { return encoder_; }
  CommandWriter& writer() { return writer_; }
  std::vector<Rejected> rejected;
  std::uint32_t stopped_at = 0;

 private:
  Encoder encoder_;
  CommandWriter writer_;
};

using Lines = std::vector<std::string>;

TEST(Encoder, LastStateOfEachKeyIsSentOnce) {
  Script s;
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).insert(kTable, {2, "y", "b"}).update(kTable, {}, {1, "z", "c"});
  batch.remove(kTable, {2, kNotSent, kNotSent}).insert(kTable, {3, kNullCell, "b"});
  EXPECT_EQ(s.add(batch.read(1)), Encoder::Taken::kYes);
  EXPECT_EQ(s.commands(), (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"z","big":"c"})", "JSON.DEL k:2",
                                 R"(JSON.SET k:3 $ {"id":3,"a":null,"big":"b"})"}));
  EXPECT_TRUE(s.rejected.empty());
}

TEST(Encoder, DeletedAndInsertedAgainIsWritten) {
  Script s;
  TestBatch batch;
  batch.remove(kTable, {1, kNotSent, kNotSent}).insert(kTable, {1, "x", "b"});
  static_cast<void>(s.add(batch.read(1)));
  EXPECT_EQ(s.commands(), (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"x","big":"b"})"}));
}

TEST(Encoder, KeptValuesComeFromTheNearestThatKnows) {
  Script s;
  TestBatch batch;
  batch.insert(kTable, {1, "x", "from insert"}).update(kTable, {}, {1, "y", kKept});
  batch.update(kTable, {2, "old", "from before"}, {2, "y", kKept});
  batch.update(kTable, {}, {3, "first", kKept}).update(kTable, {}, {3, kKept, kKept});
  batch.update(kTable, {}, {4, kKept, kKept}).update(kTable, {}, {4, "a", "now known"});
  static_cast<void>(s.add(batch.read(1)));
  EXPECT_EQ(s.commands(), (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"y","big":"from insert"})",
                                 R"(JSON.SET k:2 $ {"id":2,"a":"y","big":"from before"})",
                                 R"(EVALSHA MERGE 2 k:3 k:3 {"id":3,"a":"first" $["big"] ,"big":)",
                                 R"(JSON.SET k:4 $ {"id":4,"a":"a","big":"now known"})"}));
}

TEST(Encoder, UpdateOfADeletedRowThatKeepsValuesIsParked) {
  Script s;
  TestBatch batch;
  batch.remove(kTable, {1, kNotSent, kNotSent}).update(kTable, {}, {1, "y", kKept});
  static_cast<void>(s.add(batch.read(7)));
  EXPECT_EQ(s.commands(), (Lines{"JSON.DEL k:1"}));
  ASSERT_EQ(s.rejected.size(), 1U);
  EXPECT_EQ(s.rejected[0].row, 1U);
  EXPECT_EQ(s.rejected[0].sequence, 7U);
  EXPECT_EQ(s.rejected[0].topic, "shop.public.t");
}

TEST(Encoder, ChangedKeysLeaveNothingBehind) {
  Script s;
  TestBatch batch;
  batch.update(kTable, {1, kNotSent, kNotSent}, {2, "x", "b"});  // plain
  batch.insert(kTable, {5, "i", "carried"}).update(kTable, {5, kNotSent, kNotSent}, {6, "x", kKept});
  batch.update(kTable, {6, kNotSent, kNotSent}, {7, "z", kKept});
  batch.insert(kTable, {5, "new", "n"});
  EXPECT_EQ(s.add(batch.read(1)), Encoder::Taken::kYes);
  EXPECT_EQ(s.commands(), (Lines{"JSON.DEL k:1", R"(JSON.SET k:2 $ {"id":2,"a":"x","big":"b"})",
                                 R"(JSON.SET k:5 $ {"id":5,"a":"new","big":"n"})", "JSON.DEL k:6",
                                 R"(JSON.SET k:7 $ {"id":7,"a":"z","big":"carried"})"}));
}

TEST(Encoder, ChangedKeyWithValuesOnlyRedisHasIsAMove) {
  Script s;
  TestBatch batch;
  batch.insert(kTable, {9, "x", "b"}).update(kTable, {1, kNotSent, kNotSent}, {2, "x", kKept});
  const ReadBatch rows = batch.read(1);
  EXPECT_EQ(s.add(rows), Encoder::Taken::kMove);
  EXPECT_EQ(s.stopped_at, 1U);
  EXPECT_EQ(s.commands().size(), 1U);
  s.encoder().begin(rows, false);
  std::string from;
  const Overlay move = s.encoder().take_move(1, from, s.rejected);
  std::string out;
  EXPECT_EQ(
      s.writer().append_move(out, move, {from, {"HSET", "p", "log", "L", "position", "1:1:2"}}, s.rejected),
      1U);
  const Lines lines = Script::lines(out);
  ASSERT_EQ(lines.size(), 1U);
  const std::string& line = lines[0];
  EXPECT_EQ(line.substr(line.find(" 3 k:1")),
            R"( 3 k:1 k:2 p log L position 1:1:2 {"id":2,"a":"x" $["big"] ,"big":)");
  EXPECT_EQ(s.add(rows, false), Encoder::Taken::kMove) << "the encoder goes on with the same batch";
}

TEST(Encoder, ReplayedMoveFindsItsValuesWhereTheyAreByNow) {
  Script s;
  TestBatch batch;
  batch.update(kTable, {1, kNotSent, kNotSent}, {2, "x", kKept})
      .update(kTable, {2, kNotSent, kNotSent}, {3, kKept, kKept});
  batch.insert(kTable, {1, "another", "row"});
  EXPECT_EQ(s.add(batch.read(1), true), Encoder::Taken::kYes);
  EXPECT_EQ(s.commands(), (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"another","big":"row"})", "JSON.DEL k:2",
                                 R"(EVALSHA MERGE 2 k:3 k:3 {"id":3,"a":"x" $["big"] ,"big":)"}));
}

TEST(Encoder, OverlaySpansBatches) {
  Script s;
  TestBatch batch;
  batch.insert(kTable, {1, "x", "kept from the first"});
  static_cast<void>(s.add(batch.read(1), true));
  batch.update(kTable, {}, {1, "y", kKept}).remove(kTable, {2, kNotSent, kNotSent});
  static_cast<void>(s.add(batch.read(2), true));
  const Overlay overlay = s.encoder().take();
  std::string out;
  EXPECT_EQ(s.writer().append(out, overlay, overlay.entries[0], s.rejected), 1U);
  EXPECT_EQ(Script::lines(out), (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"y","big":"kept from the first"})"}));
  overlay.reject(overlay.entries[0], "why", s.rejected);
  ASSERT_EQ(s.rejected.size(), 2U);
  EXPECT_EQ(s.rejected[0].sequence, 1U);
  EXPECT_EQ(s.rejected[1].sequence, 2U);
  EXPECT_EQ(s.rejected[1].target_key, "k:1");
}

TEST(Encoder, AnotherVersionOfTheTableIsNotMixedIn) {
  Script s;
  const auto wider = test_schema("t", {"id", "a", "big", "more"});
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).update(wider, {}, {1, "y", kKept, "m"});
  EXPECT_EQ(s.add(batch.read(1)), Encoder::Taken::kFlush);
  EXPECT_EQ(s.stopped_at, 1U);
}

TEST(Encoder, ReplayedRowsOfAnotherVersionAreNotSentInBetween) {
  Script s;
  const auto wider = test_schema("t", {"id", "a", "big", "more"});
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).update(wider, {}, {1, "y", kKept, "m"});
  batch.insert(kTable, {2, "x", "b"}).update(wider, {2, kNotSent, kNotSent, kNotSent}, {3, "y", kKept, "m"});
  EXPECT_EQ(s.add(batch.read(1), true), Encoder::Taken::kYes);
  EXPECT_EQ(s.commands(), (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"y","big":"b","more":"m"})", "JSON.DEL k:2",
                                 R"(JSON.SET k:3 $ {"id":3,"a":"y","big":"b","more":"m"})"}));
}

TEST(Encoder, ReplayedTruncateLeavesOnlyWhatCameAfterIt) {
  const auto other = test_schema("u", {"id", "a", "big"});
  Script tables(TargetType::kJson, "{table}:{id}");
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).update(kTable, {}, {2, "y", kKept}).insert(other, {1, "x", "b"});
  batch.truncate(kTable)
      .insert(kTable, {3, "z", "c"})
      .update(kTable, {3, kNotSent, kNotSent}, {2, "w", kKept});
  EXPECT_EQ(tables.add(batch.read(1), true), Encoder::Taken::kYes);
  EXPECT_EQ(tables.commands(), (Lines{"JSON.DEL t:1", R"(JSON.SET t:2 $ {"id":2,"a":"w","big":"c"})",
                                      R"(JSON.SET u:1 $ {"id":1,"a":"x","big":"b"})", "JSON.DEL t:3"}));
  EXPECT_TRUE(tables.rejected.empty());
}

TEST(Encoder, KeysOutsideTheTablesKeyNeedTheOldRow) {
  Script s(TargetType::kJson, "k:{a}");
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).update(kTable, {}, {1, "y", "b"});
  batch.update(kTable, {2, "p", "b"}, {2, "q", "b"}).remove(kTable, {3, kNotSent, kNotSent});
  static_cast<void>(s.add(batch.read(1)));
  EXPECT_EQ(s.commands(), (Lines{R"(JSON.SET k:x $ {"id":1,"a":"x","big":"b"})", "JSON.DEL k:p",
                                 R"(JSON.SET k:q $ {"id":2,"a":"q","big":"b"})"}));
  ASSERT_EQ(s.rejected.size(), 2U);
  EXPECT_EQ(s.rejected[0].row, 1U);
  EXPECT_NE(s.rejected[0].error.find("REPLICA IDENTITY FULL"), std::string::npos);
  EXPECT_EQ(s.rejected[1].row, 3U);
}

TEST(Encoder, RowThatLosesItsKeyLeavesNoDocumentBehind) {
  Script s(TargetType::kJson, "k:{a}");
  TestBatch batch;
  batch.update(kTable, {1, "x", "b"}, {1, kNullCell, "b"}).update(kTable, {1, kNullCell, "b"}, {1, "y", "b"});
  static_cast<void>(s.add(batch.read(1)));
  EXPECT_EQ(s.commands(), (Lines{"JSON.DEL k:x", R"(JSON.SET k:y $ {"id":1,"a":"y","big":"b"})"}));
  ASSERT_EQ(s.rejected.size(), 1U);
  EXPECT_EQ(s.rejected[0].row, 0U);
}

TEST(Encoder, RowsThatChangePlacesAreBothWritten) {
  Script s;
  TestBatch batch;  // as a deferred key allows, with whole old rows
  batch.update(kTable, {1, "one", "b"}, {2, "one", "b"}).update(kTable, {2, "two", "b"}, {1, "two", "b"});
  batch.update(kTable, {5, "five", "b"}, {6, "five", "b"}).remove(kTable, {6, "six", "b"});
  batch.update(kTable, {7, "x", "b"}, {8, "x", "b"}).update(kTable, {8, "x", "b"}, {9, "x", "b"});
  static_cast<void>(s.add(batch.read(1)));
  EXPECT_EQ(s.commands(), (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"two","big":"b"})",
                                 R"(JSON.SET k:2 $ {"id":2,"a":"one","big":"b"})", "JSON.DEL k:5",
                                 R"(JSON.SET k:6 $ {"id":6,"a":"five","big":"b"})", "JSON.DEL k:7",
                                 "JSON.DEL k:8", R"(JSON.SET k:9 $ {"id":9,"a":"x","big":"b"})"}));
}

TEST(Encoder, BadTextParksItsRowAndLeavesTheLastGoodState) {
  Script s;
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).insert(kTable, {2, "y", "b"}).update(kTable, {}, {1, "\xff", "b"});
  batch.insert(kTable, {3, "x", "b"}).update(kTable, {}, {3, "\xfe", kKept});
  batch.remove(kTable, {4, kNotSent, kNotSent}).insert(kTable, {4, "\xff", "b"});
  batch.insert(kTable, {5, "\xff", "b"}).update(kTable, {}, {5, "\xff", "c"});
  batch.update(kTable, {6, kNotSent, kNotSent}, {7, "x", "b"}).insert(kTable, {6, "\xff", "b"});
  static_cast<void>(s.add(batch.read(1)));
  EXPECT_EQ(s.commands(), (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"x","big":"b"})",
                                 R"(JSON.SET k:2 $ {"id":2,"a":"y","big":"b"})",
                                 R"(JSON.SET k:3 $ {"id":3,"a":"x","big":"b"})", "JSON.DEL k:4",
                                 "JSON.DEL k:6", R"(JSON.SET k:7 $ {"id":7,"a":"x","big":"b"})"}));
  std::vector<std::uint32_t> rows;
  for (const Rejected& one : s.rejected) rows.push_back(one.row);
  EXPECT_EQ(rows, (std::vector<std::uint32_t>{2, 4, 6, 7, 8, 10}));
}

TEST(Encoder, TopicsThatWouldShareKeysAreToldApart) {
  Script s(TargetType::kJson, "");
  auto other = std::make_shared<TableSchema>(*kTable);
  other->schema = "archive";
  other->id = kTable->id + 50;
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).insert(other, {1, "y", "b"});
  static_cast<void>(s.add(batch.read(1)));
  EXPECT_EQ(s.commands(), (Lines{R"(JSON.SET t:id:1 $ {"id":1,"a":"x","big":"b"})"}));
  ASSERT_EQ(s.rejected.size(), 1U);
  EXPECT_EQ(s.rejected[0].row, 1U);
}

TEST(Encoder, HashesLeaveNullsOutAndForgetDroppedColumns) {
  Script s(TargetType::kHash);
  const auto narrower = test_schema("t", {"id", "a"});
  TestBatch batch;
  batch.insert(kTable, {1, "x\xff", kNullCell}).remove(kTable, {2, kNotSent, kNotSent});
  batch.update(kTable, {}, {3, kNullCell, kKept}).insert(narrower, {4, "n"});
  static_cast<void>(s.add(batch.read(1)));
  EXPECT_EQ(s.commands(),
            (Lines{"HSET k:1 id 1 a x\xff", "HDEL k:1 big", "EVALSHA REMOVE 1 k:2 hash",
                   "EVALSHA MERGE 2 k:3 k:3 1 big 0 1 a id 3", "HSET k:4 id 4 a n", "HDEL k:4 big"}));
}

TEST(Encoder, HashesForgetAColumnThatCameAndWent) {
  Script s(TargetType::kHash);
  const auto wider = test_schema("t", {"id", "a", "big", "more"});
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).insert(wider, {2, "x", "b", "m"}).insert(kTable, {2, "y", "b"});
  static_cast<void>(s.add(batch.read(1)));
  EXPECT_EQ(s.commands(),
            (Lines{"HSET k:1 id 1 a x big b", "HDEL k:1 more", "HSET k:2 id 2 a y big b", "HDEL k:2 more"}));
}

TEST(Encoder, TruncateStopsAndKnowsItsKeys) {
  Script s;
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).truncate(kTable);
  EXPECT_EQ(s.add(batch.read(1)), Encoder::Taken::kTruncate);
  const auto keys = s.encoder().topic_keys(1, s.rejected);
  ASSERT_EQ(keys.size(), 1U);
  EXPECT_EQ(keys[0].pattern(), "k:*");
}

}  // namespace
}  // namespace millrace::redis
