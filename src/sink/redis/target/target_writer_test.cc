#include "sink/redis/target/target_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>
#include <memory>

#include "sink/redis/client/resp.h"
#include "sink/redis/client/slot.h"
#include "sink/redis/target/commands.h"
#include "sink/redis/target/test_rows.h"

namespace millrace::redis {
namespace {

using Lines = std::vector<std::string>;
const auto kTable = test_schema("t", {"id", "a", "n"});

/// What a batch becomes under a target: commands as lines of text.
class Written {
 public:
  Written(TargetType type, std::string_view key, const std::function<void(Target&)>& with, TestBatch& batch) {
    Target target;
    target.type = type;
    target.key_template = *KeyTemplate::parse(key, KeyTemplate::Keys::kShared);
    if (with) with(target);
    Encoder encoder(target);
    CommandWriter writer(target);
    writer.target().set_scripts({"S0", "S1"});
    const ReadBatch rows = batch.read(4);
    encoder.begin(rows, false);
    for (std::uint32_t row = 0; row < rows.end_row; ++row)
      EXPECT_EQ(encoder.add(row, rejected), Encoder::Taken::kYes) << row;
    const Overlay overlay = encoder.take();
    std::string out;
    std::uint32_t count = 0;
    for (const auto& entry : overlay.entries) count += writer.append(out, overlay, entry, rejected);
    ReplyParser parser;
    parser.feed(out);
    Reply command;
    while (*parser.next(command)) {
      std::string line;
      for (const Reply& word : command.elements) line += (line.empty() ? "" : " ") + word.text;
      lines.push_back(line);
    }
    EXPECT_EQ(count, lines.size());
  }

  Lines lines;
  std::vector<Rejected> rejected;
};

TEST(TargetWriter, Strings) {
  TestBatch batch;
  batch.insert(kTable, {1, "x", 5}).insert(kTable, {2, "y", 6}).update(kTable, {}, {2, "z", 6});
  batch.remove(kTable, {3, kNotSent, kNotSent});
  EXPECT_EQ(Written(TargetType::kString, "s:{id}", nullptr, batch).lines,
            (Lines{R"(EVALSHA S0 1 s:1 {"id":1,"a":"x","n":5})", R"(EVALSHA S0 1 s:2 {"id":2,"a":"z","n":6})",
                   "EVALSHA S1 1 s:3 string"}));
  batch.insert(kTable, {1, "x", 5}).update(kTable, {}, {2, kKept, 6});
  const Written value(
      TargetType::kString, "s:{id}", [](Target& target) { target.value = *ValueTemplate::parse("{n}!"); },
      batch);
  EXPECT_EQ(value.lines, (Lines{"EVALSHA S0 1 s:1 5!", "EVALSHA S0 1 s:2 6!"}))
      << "what is not written may be kept";
  batch.update(kTable, {}, {2, kKept, 6});
  const Written kept(TargetType::kString, "s:{id}", nullptr, batch);
  EXPECT_TRUE(kept.lines.empty());
  ASSERT_EQ(kept.rejected.size(), 1U);
  EXPECT_NE(kept.rejected[0].error.find("column a, which target.type: string cannot keep"),
            std::string::npos);
}

TEST(TargetWriter, SetsMoveTheirMembers) {
  TestBatch batch;
  batch.insert(kTable, {1, "x", 5}).insert(kTable, {2, "x", 6}).update(kTable, {2, "x", 6}, {2, "y", 6});
  batch.remove(kTable, {3, "z", 7});
  EXPECT_EQ(Written(TargetType::kSet, "by:{a}", nullptr, batch).lines,
            (Lines{"SADD by:x 1", "SREM by:x 2", "SADD by:y 2", "SREM by:z 3"}));
  batch.insert(kTable, {1, "x", 5}).update(kTable, {}, {1, "y", 5});
  const Written blind(TargetType::kSet, "by:{a}", nullptr, batch);
  ASSERT_EQ(blind.rejected.size(), 1U);
  EXPECT_NE(blind.rejected[0].error.find("REPLICA IDENTITY FULL"), std::string::npos);
}

TEST(TargetWriter, KeyAndMemberAreToldApart) {
  TestBatch batch;
  const auto two = test_schema("w", {"a", "b"}, 2);
  batch.insert(two, {"x", "yz"}).insert(two, {"xy", "z"});
  EXPECT_EQ(Written(
                TargetType::kSet, "k{a}",
                [](Target& target) { target.member = *ValueTemplate::parse("{b}"); }, batch)
                .lines,
            (Lines{"SADD kx yz", "SADD kxy z"}));
}

TEST(TargetWriter, SortedSets) {
  TestBatch batch;
  auto numbers = std::make_shared<TableSchema>(*kTable);
  numbers->columns[2].type = CellType::kFloat64;
  const TableSchemaPtr table = std::move(numbers);
  const TestCell nan(CellType::kFloat64,
                     std::bit_cast<std::int64_t>(std::numeric_limits<double>::quiet_NaN()));
  batch.insert(table, {1, "x", 5}).update(table, {}, {1, "x", 6}).update(table, {}, {2, "x", kNullCell});
  batch.insert(table, {3, "q", nan});
  const Written out(TargetType::kSortedSet, "all", [](Target& target) { target.score = "n"; }, batch);
  EXPECT_EQ(out.lines, (Lines{"ZADD all 6 1", "ZREM all 2"})) << "a row without a score is no member";
  ASSERT_EQ(out.rejected.size(), 1U);
  EXPECT_NE(out.rejected[0].error.find("column n of table public.t"), std::string::npos);
}

TEST(TargetWriter, StreamsTellEachChange) {
  TestBatch batch;
  batch.insert(kTable, {1, "x", 5}).update(kTable, {1, kNotSent, kNotSent}, {2, "y", kKept});
  batch.remove(kTable, {2, kNotSent, kNotSent}).truncate(kTable);
  EXPECT_EQ(
      Written(
          TargetType::kStream, "{topic}", [](Target& target) { target.max_length = 9; }, batch)
          .lines,
      (Lines{
          R"(EVALSHA S0 1 shop.public.t 4-1 9   op c topic shop.public.t ts_us 0 after {"id":1,"a":"x","n":5})",
          R"(EVALSHA S0 1 shop.public.t 4-2 9   op u topic shop.public.t ts_us 0 before {"id":1} )"
          R"(after {"id":2,"a":"y"} unchanged ["n"])",
          R"(EVALSHA S0 1 shop.public.t 4-3 9   op d topic shop.public.t ts_us 0 before {"id":2})",
          "EVALSHA S0 1 shop.public.t 4-4 9   op t topic shop.public.t ts_us 0"}));
}

TEST(TargetWriter, InAClusterAnEntryNamesTheOneBeforeIt) {
  TestBatch batch;
  batch.insert(kTable, {1, "x", 5}).insert(kTable, {2, "y", 5}).insert(kTable, {3, "x", 5});
  const Written out(
      TargetType::kStream, "s:{a}",
      [](Target& target) {
        target.in_cluster = true;
        target.fields = *FieldList::parse({"id"}, true);
      },
      batch);
  EXPECT_EQ(out.lines,
            (Lines{R"(EVALSHA S0 1 s:x 4-1 0   op c topic shop.public.t ts_us 0 after {"id":1})",
                   R"(EVALSHA S0 1 s:y 4-2 0   op c topic shop.public.t ts_us 0 after {"id":2})",
                   R"(EVALSHA S0 1 s:x 4-3 0  4-1 op c topic shop.public.t ts_us 0 after {"id":3})"}));
}

TEST(TargetWriter, WhatWaitsForADocumentIsInItsSlot) {
  Target target;
  target.waiting_prefix = "millrace:nest:cache:";
  EXPECT_EQ(target.waiting_key("order:1"), "millrace:nest:cache:order:1");
  target.in_cluster = true;
  for (const char* key : {"order:1", "order:{7}:1", "a}b", "{}a", "{a", "}{", ""}) {
    EXPECT_EQ(slot_of(target.waiting_key(key)), slot_of(key)) << key;
    EXPECT_TRUE(target.waiting_key(key).ends_with(std::string("}") + key));
  }
}

TEST(TargetWriter, StreamsOfAColumnTellBothKeys) {
  TestBatch batch;
  batch.update(kTable, {1, "x", 5}, {1, "y", 5}).update(kTable, {}, {1, "y", 6}).truncate(kTable);
  const Written out(
      TargetType::kStream, "s:{a}", [](Target& target) { target.fields = *FieldList::parse({"n"}, true); },
      batch);
  EXPECT_EQ(
      out.lines,
      (Lines{R"(EVALSHA S0 1 s:y 4-1 0   op u topic shop.public.t ts_us 0 before {"n":5} after {"n":5})",
             R"(EVALSHA S0 1 s:x 4-1 0   op u topic shop.public.t ts_us 0 before {"n":5} after {"n":5})",
             R"(EVALSHA S0 1 s:y 4-2 0   op u topic shop.public.t ts_us 0 after {"n":6})"}));
  EXPECT_EQ(out.rejected.size(), 1U);
}

TEST(TargetWriter, MergeWritesWhatChanged) {
  TestBatch batch;
  batch.insert(kTable, {1, "x", 5}).update(kTable, {2, "x", 5}, {2, "x", kNullCell});
  batch.update(kTable, {}, {3, kKept, 7});
  const Written out(
      TargetType::kJson, "m:{id}",
      [](Target& target) {
        target.merge = true;
        target.fields = *FieldList::parse({"a", "n as o.n"}, true);
      },
      batch);
  EXPECT_EQ(out.lines, (Lines{R"(EVALSHA S1 1 m:1 {"a":"x","o":{"n":5}} {"o":{}} $["a"] "x" $["o"]["n"] 5)",
                              R"(EVALSHA S1 1 m:2 {"a":"x","o":{"n":null}} {"o":{}} $["o"]["n"] null)",
                              R"(EVALSHA S1 1 m:3  {"o":{}} $["o"]["n"] 7)"}));
}

TEST(TargetWriter, KeptValuesInsideObjects) {
  TestBatch batch;
  batch.update(kTable, {}, {1, kKept, kKept});
  const Written out(
      TargetType::kJson, "m:{id}",
      [](Target& target) { target.fields = *FieldList::parse({"a", "n as o.n"}, true); }, batch);
  EXPECT_EQ(out.lines, (Lines{R"(EVALSHA S0 2 m:1 m:1 {"o":{} $["a"] ,"a": $["o"]["n"] )"}));
}

TEST(TargetWriter, ExpiryGoesWithTheWrite) {
  TestBatch batch;
  TableSchema schema = *kTable;
  schema.columns[2].type = CellType::kInt64;
  const auto typed = std::make_shared<const TableSchema>(std::move(schema));
  batch.insert(typed, {1, "x", 60}).insert(typed, {2, "x", kNullCell});
  batch.remove(typed, {3, kNotSent, kNotSent});
  EXPECT_EQ(Written(
                TargetType::kJson, "k:{id}", [](Target& target) { target.expiry.column = "n"; }, batch)
                .lines,
            (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"x","n":60})", "EXPIRE k:1 60",
                   R"(JSON.SET k:2 $ {"id":2,"a":"x","n":null})", "PERSIST k:2", "JSON.DEL k:3"}));
  batch.insert(kTable, {1, "x", 60});
  EXPECT_EQ(Written(
                TargetType::kSet, "all", [](Target& target) { target.expiry.seconds = 9; }, batch)
                .lines,
            (Lines{"SADD all 1", "EXPIRE all 9"}));
}

TEST(TargetWriter, FieldsOfAHashGoByThemselves) {
  TestBatch batch;
  TableSchema schema = *kTable;
  schema.columns[2].type = CellType::kInt64;
  const auto typed = std::make_shared<const TableSchema>(std::move(schema));
  batch.insert(typed, {1, "x", 60})
      .insert(typed, {2, kNullCell, -5})
      .update(typed, {}, {3, kKept, kNullCell});
  const auto with = [](Target& target) {
    target.fields = *FieldList::parse({"id", "a as token", "n"}, false);
    target.field_expiries = {{"a", {.seconds = 0, .column = "n"}}, {"id", {.seconds = 9, .column = {}}}};
  };
  EXPECT_EQ(Written(TargetType::kHash, "k:{id}", with, batch).lines,
            (Lines{"HSET k:1 id 1 token x n 60", "HEXPIRE k:1 60 FIELDS 1 token", "HEXPIRE k:1 9 FIELDS 1 id",
                   "HSET k:2 id 2 n -5", "HDEL k:2 token", "HEXPIRE k:2 9 FIELDS 1 id", "HSET k:3 id 3",
                   "HDEL k:3 n", "HPERSIST k:3 FIELDS 1 token", "HEXPIRE k:3 9 FIELDS 1 id"}));
  batch.update(typed, {}, {4, kKept, 1});
  const auto by_seconds = [](Target& target) {
    target.field_expiries = {{"a", {.seconds = 9, .column = {}}}};
  };
  EXPECT_EQ(Written(TargetType::kHash, "k:{id}", by_seconds, batch).lines, (Lines{"HSET k:4 id 4 n 1"}));
}

/// All commands of an entry go through one script, with the version of its last row.
TEST(TargetWriter, GuardedCommandsAreOne) {
  TestBatch batch;
  batch.insert(kTable, {1, "x", 5}).remove(kTable, {2, kNotSent, kNotSent});
  const auto guarded = [](Target& target) {
    target.guard = Guard{7, 60};
    target.expiry.seconds = 30;
  };
  const Written json(TargetType::kJson, "s:{id}", guarded, batch);
  ASSERT_EQ(json.lines.size(), 2U);
  EXPECT_TRUE(json.lines[0].starts_with("EVALSHA S0 2 s:1 millrace:version:{s:1} 00000007")) << json.lines[0];
  EXPECT_TRUE(json.lines[0].ends_with(R"( 60 4 0 JSON.SET s:1 $ {"id":1,"a":"x","n":5} 3 0 EXPIRE s:1 30)"))
      << json.lines[0];
  EXPECT_TRUE(json.lines[1].ends_with(" 60 2 0 JSON.DEL s:2")) << json.lines[1];
  batch.insert(kTable, {1, "x", 5}).update(kTable, {}, {3, kKept, 6});
  const Written hash(TargetType::kHash, "s:{id}", guarded, batch);
  ASSERT_EQ(hash.lines.size(), 2U);
  EXPECT_NE(hash.lines[1].find(" 11 1 2 s:3 s:3 1 a 0 0 id 3 n 6 "), std::string::npos) << hash.lines[1];
}

/// The order of versions is that of changes.
TEST(TargetWriter, VersionsGrowWithEveryChange) {
  TestBatch batch;
  batch.insert(kTable, {1, "x", 5}).insert(kTable, {2, "x", 5}).insert(kTable, {3, "x", 5});
  const Written json(TargetType::kJson, "s:{id}", [](Target& target) { target.guard.emplace(); }, batch);
  std::vector<std::string> versions;
  for (const std::string& line : json.lines) {
    const std::size_t at = line.find("} ") + 2;
    versions.push_back(line.substr(at, line.find(' ', at) - at));
  }
  EXPECT_TRUE(std::ranges::is_sorted(versions, std::ranges::less_equal())) << "each above the one before";
  EXPECT_EQ(versions.size(), 3U);
}

}  // namespace
}  // namespace millrace::redis
