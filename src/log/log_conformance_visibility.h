#pragma once

#include "log/log_conformance.h"

namespace millrace {

TEST_P(LogConformance, RowsOfAnOpenTransactionAreHiddenUntilItEnds) {
  append(test_batch({{"a", 1, "1"}, {"a", 2, "2"}, {"b", 2, "3"}}, 1), test_position(1, 2));
  append(test_batch({{"a", 2, "4"}}, 0), test_position(1, 3));
  LogPosition at = *log_->earliest();
  EXPECT_EQ(read_all(at), (Values{"a=1"}));
  EXPECT_EQ(topic("a").next_offset, 1U);
  EXPECT_EQ(topic("b").next_offset, 0U);
  EXPECT_EQ(*log_->latest(), at);
  reopen();
  EXPECT_TRUE(read_all(at).empty());
  EXPECT_EQ(topic("a").next_offset, 1U);
  append(test_batch({{"c", 2, "5"}, {"c", 3, "6"}}, 1), test_position(2, 1));
  EXPECT_EQ(read_all(at), (Values{"a=2", "b=3", "a=4", "c=5"}));
  EXPECT_EQ(topic("a").next_offset, 3U);
  EXPECT_EQ(topic("b").next_offset, 1U);
  EXPECT_EQ(topic("c").next_offset, 1U);
  EXPECT_EQ(log_->read_topic("a", 0, 10, 0)->size(), 3U);
}

TEST_P(LogConformance, AnEndThatBringsNoRowsShowsTheTransaction) {
  append(test_batch({{"a", 1, "1"}, {"b", 1, "2"}}, 0), test_position(0, 2));
  append(nullptr, test_position(0, 2));
  EXPECT_TRUE(read_all().empty());
  append(nullptr, test_position(1));
  EXPECT_EQ(read_all(), (Values{"a=1", "b=2"}));
  reopen();
  EXPECT_EQ(read_all(), (Values{"a=1", "b=2"}));
  EXPECT_EQ(topic("b").next_offset, 1U);
}

TEST_P(LogConformance, EndOfOneTransactionMayComeWithTheOpenNextOne) {
  append(test_batch({{"a", 1, "1"}}, 0), test_position(0, 1));
  append(test_batch({{"a", 2, "2"}}, 0), test_position(1, 1));
  EXPECT_EQ(read_all(), (Values{"a=1"}));
  EXPECT_EQ(topic("a").next_offset, 1U);
  append(test_batch({{"a", 2, "3"}}), test_position(2));
  EXPECT_EQ(read_all(), (Values{"a=1", "a=2", "a=3"}));
  EXPECT_EQ(topic("a").next_offset, 3U);
}

TEST_P(LogConformance, AnotherTransactionBehindAnOpenOneIsRefused) {
  append(test_batch({{"a", 1, "1"}}, 0), test_position(0, 1));
  const Status done = log_->append(stream(), test_batch({{"a", 2, "2"}}), test_position(0, 1), {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().next, Next::kStop);
  EXPECT_EQ(log_->streams()->front().next_sequence, 1U);
  append(test_batch({{"a", 1, "3"}}), test_position(1));
  EXPECT_EQ(read_all(), (Values{"a=1", "a=3"}));
}

TEST_P(LogConformance, ATransactionOfAnEarlierEpochIsGivenUp) {
  append(test_batch({{"a", 1, "1"}, {"a", 2, "lost"}, {"b", 2, "lost"}}, 1), test_position(1, 2));
  LogPosition at = *log_->earliest();
  EXPECT_EQ(read_all(at), (Values{"a=1"}));
  append(test_batch({{"a", 2, "lost"}, {"c", 2, "lost"}}, 0), test_position(1, 4));
  append(test_batch({{"a", 9, "2"}, {"b", 9, "3"}}), test_position(9, 0, 2));
  for (int opened = 0; opened < 2; ++opened) {
    LogPosition from = at;
    EXPECT_EQ(read_all(from), (Values{"a=2", "b=3"}));
    EXPECT_EQ(read_all(), (Values{"a=1", "a=2", "b=3"}));
    EXPECT_EQ(topic("a").next_offset, 2U);
    EXPECT_EQ(topic("b").next_offset, 1U);
    EXPECT_EQ(topic("c").next_offset, 0U);
    const auto rows = log_->read_topic("a", 0, 10, 0);
    ASSERT_EQ(rows->size(), 2U);
    EXPECT_EQ(rows->at(1).batch->bytes(rows->at(1).batch->row(rows->at(1).row).after[0]), "2");
    reopen();
  }
  append(test_batch({{"c", 10, "4"}}), test_position(10, 0, 2));
  EXPECT_EQ(log_->read_topic("c", 0, 10, 0)->front().offset, 0U);
}

TEST_P(LogConformance, AForgottenSourceBeginsAnewAndKeepsItsRows) {
  const std::vector<StateWrite> state = {{"ledger", "half"}};
  ASSERT_TRUE(
      log_->append(stream(), test_batch({{"a", 1, "1"}, {"a", 2, "lost"}}, 1), test_position(1, 1), state));
  ASSERT_TRUE(log_->forget_source("shop"));
  for (int opened = 0; opened < 2; ++opened) {
    EXPECT_FALSE(log_->source_position(stream())->has_value());
    EXPECT_TRUE(log_->state("shop")->empty());
    EXPECT_FALSE(log_->schemas(stream())->empty());
    EXPECT_EQ(read_all(), (Values{"a=1"}));
    reopen();
  }
  append(test_batch({{"a", 7, "2"}}), test_position(7));
  EXPECT_EQ(read_all(), (Values{"a=1", "a=2"}));
  EXPECT_EQ(topic("a").next_offset, 2U);
  EXPECT_TRUE(log_->forget_source("never seen"));
}

TEST_P(LogConformance, ANewEpochWithoutRowsGivesUpToo) {
  append(test_batch({{"a", 1, "lost"}}, 0), test_position(0, 1));
  append(nullptr, test_position(0, 0, 2));
  append(test_batch({{"a", 1, "1"}}), test_position(1, 0, 2));
  EXPECT_EQ(read_all(), (Values{"a=1"}));
  reopen();
  LogPosition beginning;
  EXPECT_EQ(read_all(beginning), (Values{"a=1"}));
  EXPECT_EQ(topic("a").next_offset, 1U);
}

}  // namespace millrace
