#include "sink/redis/output_notes.h"

#include <gtest/gtest.h>

#include "sink/redis/earlier_keys.h"
#include "sink/redis/target/test_rows.h"

namespace millrace::redis {
namespace {

constexpr const char* kThen = "2026-01-01T00:00:00Z";

Output output(std::string name, const std::string& more) {
  Output out;
  out.form = "output: " + name + "\ntopics: shop.public.t\ntarget.type: json\n" + more;
  out.name = std::move(name);
  return out;
}

/// After the notes of `now` a start with `outputs`.
OutputNotes begun(const OutputNotes& now, std::vector<Output> outputs, bool fresh = false) {
  return next_notes(now, outputs, fresh, kThen);
}

TEST(OutputNotes, WhatIsFirstOrFreshIsNotBehind) {
  EXPECT_TRUE(begun({}, {output("", "target.key: a:{id}\n")}).behind.empty());
  const OutputNotes first = begun({}, {output("", "target.key: a:{id}\n")});
  EXPECT_TRUE(note_sentences(first, "cache").empty());
  const OutputNotes fresh = begun(first, {output("", "target.key: b:{id}\n")}, true);
  EXPECT_TRUE(fresh.behind.empty());
  EXPECT_EQ(fresh.earlier.size(), 1U) << "its keys may be there for all that";
}

TEST(OutputNotes, AChangeOfFormIsBehindUntilItIsRebuilt) {
  const OutputNotes first = begun({}, {output("", "")});
  const OutputNotes changed = begun(first, {output("", "target.fields: id\n")});
  EXPECT_EQ(changed.behind.at(""), std::string(kThen) + " target.fields");
  EXPECT_TRUE(changed.earlier.empty()) << "the keys are the same";
  EXPECT_EQ(begun(changed, {output("", "target.fields: id\n")}).behind, changed.behind)
      << "a restart mends nothing";
  EXPECT_EQ(note_sentences(changed, "cache").size(), 1U);
}

TEST(OutputNotes, OtherKeysAndOutputsThatWentLeaveTheirFormBehind) {
  const std::vector<Output> two = {output("a", "target.key: a:{id}\n"), output("b", "target.key: b:{id}\n")};
  const OutputNotes first = begun({}, two);
  const OutputNotes moved = begun(first, {output("a", "target.key: c:{id}\n")});
  EXPECT_EQ(moved.earlier.size(), 2U);
  EXPECT_EQ(moved.behind.size(), 1U);
  const OutputNotes back = begun(moved, two);
  EXPECT_EQ(back.earlier.size(), 1U) << "only what nobody writes now";
  EXPECT_EQ(back.behind.at("b"), std::string(kThen) + " added");
}

/// What Redis has after the commands is what was meant.
TEST(OutputNotes, CommandsMakeTheOneOfTheOther) {
  const OutputNotes first = begun({}, {output("a", "target.key: a:{id}\n"), output("b", "")});
  const OutputNotes second = begun(first, {output("a", "target.key: c:{id}\n")});
  std::map<std::string, std::string> hash;
  const auto run = [&](const OutputNotes& from, const OutputNotes& to) {
    for (const auto& command : note_commands("k", from, to)) {
      for (std::size_t i = 2; i < command.size(); ++i) {
        if (command[0] == "HDEL") hash.erase(command[i]);
        if (command[0] == "HSET") hash[command[i]] = command[i + 1], ++i;
      }
    }
  };
  run({}, first);
  run(first, second);
  Reply reply;
  reply.kind = Reply::Kind::kArray;
  for (const auto& [field, value] : hash) {
    for (const std::string& text : {field, value}) {
      Reply& one = reply.elements.emplace_back();
      one.kind = Reply::Kind::kBulk;
      one.text = text;
    }
  }
  const OutputNotes there = read_notes(reply);
  EXPECT_EQ(there.forms, second.forms);
  EXPECT_EQ(there.behind, second.behind);
  EXPECT_EQ(there.earlier, second.earlier);
  EXPECT_TRUE(note_commands("k", second, second).empty());
}

TEST(EarlierKeys, AreThoseOfTheTablesOfThen) {
  ScanTable table;
  table.topic = "shop.public.t";
  table.schema = test_schema("t", {"id", "a"});
  const auto keys = earlier_keys(output("", "target.key: a:{id}\n").form, {&table, 1});
  ASSERT_TRUE(keys) << keys.error().message;
  ASSERT_EQ(keys->keys.size(), 1U);
  EXPECT_TRUE(keys->keys.front().matches("a:7"));
  EXPECT_FALSE(keys->keys.front().matches("b:7"));
  EXPECT_EQ(keys->redis_type, "ReJSON-RL");
}

TEST(EarlierKeys, AreLeftWhereTheyCannotBeTold) {
  ScanTable table;
  table.topic = "shop.public.t";
  table.schema = test_schema("t", {"id", "a"});
  const std::span<const ScanTable> tables(&table, 1);
  EXPECT_FALSE(earlier_keys(output("", "target.key: a:{gone}\n").form, tables));
  EXPECT_FALSE(earlier_keys(output("", "").form, {})) << "the table is no longer captured";
  EXPECT_FALSE(earlier_keys("output: s\ntopics: shop.public.t\ntarget.type: stream\n", tables));
}

}  // namespace
}  // namespace millrace::redis
