#pragma once

#include "log/log_conformance.h"

namespace millrace {

TEST_P(LogConformance, SettledPositionsAndDeadLettersStay) {
  append(test_batch({{"a", 1, "1"}, {"a", 1, "2"}}), test_position(1));
  EXPECT_FALSE(log_->settled("cache")->has_value());
  Rejected row{stream(), 0, 1, "a", "key:2", "too large"};
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {{row}}));
  reopen();
  row.error = "again too large";
  const Rejected other{stream(), 0, 0, "a", "key:1", "wrong type"};
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {{row, other, other}}));
  EXPECT_EQ(**log_->settled("cache"), *log_->latest());
  const auto letters = log_->dead_letters("cache", 0, 10);
  ASSERT_EQ(letters->size(), 2U);
  EXPECT_EQ(letters->at(0).rejected.error, "again too large");
  EXPECT_EQ(letters->at(0).rejected.row, 1U);
  EXPECT_EQ(letters->at(0).at_us, clock_.wall_us());
  EXPECT_EQ(letters->at(1).rejected.target_key, "key:1");
  EXPECT_EQ(log_->dead_letters("cache", letters->at(0).id + 1, 10)->size(), 1U);
  EXPECT_EQ(log_->dead_letters("cache", 0, 1)->size(), 1U);
  EXPECT_TRUE(log_->dead_letters("cach", 0, 10)->empty());
  ASSERT_TRUE(log_->forget_sink("cache"));
  reopen();
  EXPECT_FALSE(log_->settled("cache")->has_value());
  EXPECT_TRUE(log_->dead_letters("cache", 0, 10)->empty());
}

TEST_P(LogConformance, SinksAreKnownUntilTheyAreForgotten) {
  append(test_batch({{"a", 1, "1"}}), test_position(1));
  EXPECT_TRUE(log_->sinks()->empty());
  ASSERT_TRUE(log_->settle("cache", *log_->latest(), {}));
  reopen();
  ASSERT_EQ(log_->sinks()->size(), 1U);
  EXPECT_EQ(log_->sinks()->front().name, "cache");
  EXPECT_EQ(log_->sinks()->front().position, *log_->latest());
  ASSERT_TRUE(log_->forget_sink("cache"));
  EXPECT_TRUE(log_->sinks()->empty());
}

TEST_P(LogConformance, TopicsAreReadByOffsetAndTime) {
  for (std::uint64_t i = 0; i < 5; ++i) {
    const std::string n = std::to_string(i);
    append(test_batch({{"a", i + 1, n}, {"b", i + 1, n}, {"a", i + 1, n + "'"}}, 3,
                      static_cast<std::int64_t>(i + 1) * 1000),
           test_position(i + 1));
  }
  for (int opened = 0; opened < 2; ++opened) {
    const auto rows = log_->read_topic("a", 3, 4, 0);
    ASSERT_EQ(rows->size(), 4U);
    Values values;
    for (const TopicRow& row : *rows) values.emplace_back(row.batch->bytes(row.batch->row(row.row).after[0]));
    EXPECT_EQ(values, (Values{"1'", "2", "2'", "3"}));
    EXPECT_EQ(rows->front().offset, 3U);
    EXPECT_EQ(rows->front().sequence, 1U);
    EXPECT_EQ(log_->read_topic("b", 0, 100, 0)->size(), 5U);
    EXPECT_TRUE(log_->read_topic("b", 5, 100, 0)->empty());
    EXPECT_EQ(*log_->offset_at("a", 0), 0U);
    EXPECT_EQ(*log_->offset_at("a", 3000), 4U);
    EXPECT_EQ(*log_->offset_at("a", 3001), 6U);
    EXPECT_EQ(*log_->offset_at("a", 9000), 10U);
    EXPECT_EQ(topic("a").next_offset, 10U);
    EXPECT_GT(topic("a").bytes, topic("b").bytes);
    reopen();
  }
  EXPECT_FALSE(log_->read_topic("none", 0, 1, 0));
  EXPECT_FALSE(log_->offset_at("none", 0));
}

TEST_P(LogConformance, RetentionByTimeWaitsForSinks) {
  for (std::uint64_t i = 1; i <= 4; ++i) {
    append(test_batch({{i < 3 ? "old" : "new", i, "x"}, {"all", i, "x"}}, 2,
                      static_cast<std::int64_t>(i) * 1'000'000),
           test_position(i));
  }
  LogPosition at;
  at.set({stream(), 1, 0});
  ASSERT_TRUE(log_->settle("slow", at, {}));
  const RetentionPolicy policy{1000, -1, -1, -1};
  EXPECT_GT(*log_->retain(policy, 4'000'000), 0U);
  EXPECT_EQ(log_->earliest()->at(stream()).sequence, 1U);
  EXPECT_EQ(*log_->retain(policy, 4'000'000), 0U);
  at.set({stream(), 4, 0});
  ASSERT_TRUE(log_->settle("slow", at, {}));
  EXPECT_GT(*log_->retain(policy, 4'000'000), 0U);
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_EQ(log_->streams()->front().first_sequence, 2U);
    EXPECT_EQ(read_all(), (Values{"new=x", "all=x", "new=x", "all=x"}));
    EXPECT_EQ(topic("old").first_offset, 2U);
    EXPECT_EQ(topic("old").next_offset, 2U);
    EXPECT_EQ(topic("old").bytes, 0U);
    EXPECT_EQ(topic("all").first_offset, 2U);
    EXPECT_EQ(topic("new").first_offset, 0U);
    EXPECT_EQ(log_->read_topic("all", 0, 10, 0)->front().offset, 2U);
    EXPECT_FALSE(log_->batch_at(stream(), 1));
    const auto read = log_->read(all_topics, {}, 0);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().next, Next::kStop);
    EXPECT_FALSE(read.error().hint.empty());
    reopen();
  }
  append(test_batch({{"old", 5, "y"}}), test_position(5));
  EXPECT_EQ(log_->read_topic("old", 0, 10, 0)->front().offset, 2U);
}

TEST_P(LogConformance, RetentionByBytesForcesOutWhatASinkHasNotRead) {
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 1; i <= 4; ++i) {
    const BatchPtr batch = test_batch({{"a", i, "x"}});
    append(batch, test_position(i));
    bytes = log_->streams()->front().bytes / i;
  }
  append(test_batch({{"a", 5, "h"}}, 0), test_position(4, 1));
  ASSERT_TRUE(log_->settle("slow", *log_->earliest(), {}));
  EXPECT_EQ(*log_->retain({-1, static_cast<std::int64_t>(100 * bytes)}, 0), 0U);
  EXPECT_EQ(*log_->retain({-1, static_cast<std::int64_t>(3 * bytes)}, 0), bytes * 2);
  EXPECT_EQ(log_->earliest()->at(stream()).sequence, 2U);
  EXPECT_FALSE(log_->read(all_topics, **log_->settled("slow"), 0));
  EXPECT_EQ(log_->backlog(*log_->earliest())->batches, 2U);
  EXPECT_GT(*log_->retain({-1, 0}, 0), 0U);
  EXPECT_EQ(log_->earliest()->at(stream()).sequence, 4U);
  append(test_batch({{"a", 5, "shown"}}), test_position(5));
  EXPECT_EQ(read_all(), (Values{"a=h", "a=shown"}));
  EXPECT_EQ(topic("a").first_offset, 4U);
}

TEST_P(LogConformance, AWallClockThatRunsBackDoesNotMixUpTimes) {
  append(test_batch({{"a", 1, "1"}}, 1, 5'000'000), test_position(1));
  append(test_batch({{"a", 2, "2"}}, 1, 9'000'000), test_position(2));
  reopen();
  append(test_batch({{"a", 3, "3"}}, 1, 1'000'000), test_position(3));
  append(test_batch({{"a", 4, "4"}}, 1, 9'500'000), test_position(4));
  EXPECT_EQ(*log_->offset_at("a", 5'000'001), 1U);
  EXPECT_EQ(*log_->offset_at("a", 9'000'001), 3U);
  ASSERT_TRUE(log_->retain({4'000, -1}, 10'000'000));
  EXPECT_EQ(topic("a").first_offset, 1U) << "the third, whose clock was wrong, is as new as the second";
}

}  // namespace millrace
