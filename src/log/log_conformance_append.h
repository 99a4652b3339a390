#pragma once

#include "log/log_conformance.h"

namespace millrace {

TEST_P(LogConformance, WhatWasAppendedIsThereAfterReopening) {
  const std::string id = log_->id();
  EXPECT_EQ(id.size(), 32U);
  const StreamId shop = stream();
  const std::vector<StateWrite> state = {{"chunk", "done"}, {"other", "1"}};
  ASSERT_TRUE(log_->append(shop, test_batch({{"a", 1, "x"}, {"b", 1, "y"}}), test_position(1), state));
  ASSERT_TRUE(log_->append(shop, nullptr, test_position(2), {{StateWrite{"other", std::nullopt}}}));
  reopen();
  EXPECT_EQ(log_->id(), id);
  EXPECT_EQ(stream(), shop);
  EXPECT_EQ(**log_->source_position(shop), test_position(2));
  ASSERT_EQ(log_->schemas(shop)->size(), 1U);
  EXPECT_EQ(*log_->schemas(shop)->front(), *test_schema(1));
  EXPECT_EQ(*log_->state("shop"), (std::map<std::string, std::string>{{"chunk", "done"}}));
  EXPECT_TRUE(log_->state("sho")->empty());
  EXPECT_EQ(read_all(), (Values{"a=x", "b=y"}));
  EXPECT_EQ(topic("b").next_offset, 1U);
}

TEST_P(LogConformance, NewStreamHasNeitherPositionNorRows) {
  const StreamId shop = stream();
  EXPECT_FALSE(log_->source_position(shop)->has_value());
  EXPECT_TRUE(log_->schemas(shop)->empty());
  EXPECT_TRUE(read_all().empty());
  EXPECT_NE(stream("other"), shop);
  EXPECT_FALSE(log_->source_position(99));
  EXPECT_FALSE(log_->append(99, nullptr, test_position(1), {}));
}

TEST_P(LogConformance, StateIsPerOwnerAndCanBeRemoved) {
  ASSERT_TRUE(log_->put_state("a", {{StateWrite{"k", "1"}, StateWrite{"", std::string("\0\xFF", 2)}}}));
  ASSERT_TRUE(log_->put_state("ab", {{StateWrite{"k", "2"}}}));
  ASSERT_TRUE(log_->put_state("a", {{StateWrite{"k", std::nullopt}}}));
  reopen();
  EXPECT_EQ(*log_->state("a"), (std::map<std::string, std::string>{{"", std::string("\0\xFF", 2)}}));
  EXPECT_EQ(log_->state("ab")->at("k"), "2");
}

TEST_P(LogConformance, SchemaNumberUsedTwiceIsRefused) {
  append(test_batch({{"a", 1, "x"}}), test_position(1));
  const BatchPtr other = test_batch({{"a", 2, "y"}}, 1, 1000, test_schema(1, "renamed"));
  EXPECT_FALSE(log_->append(stream(), other, test_position(2), {}));
  append(test_batch({{"a", 2, "z"}}, 1, 1000, test_schema(2, "renamed")), test_position(2));
  reopen();
  EXPECT_EQ(read_all(), (Values{"a=x", "a=z"}));
  EXPECT_EQ(log_->schemas(stream())->size(), 2U);
}

TEST_P(LogConformance, TopicOfAnotherConnectorIsRefused) {
  append(test_batch({{"a", 1, "x"}}), test_position(1), "shop");
  const Status done = log_->append(stream("twin"), test_batch({{"a", 1, "y"}}), test_position(1), {});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().message.find("shop"), std::string::npos);
  EXPECT_EQ(read_all(), (Values{"a=x"}));
}

TEST_P(LogConformance, FailureBeforeTheWriteLeavesNothingAfterItEverything) {
  const StreamId shop = stream();
  ASSERT_TRUE(FailPoints::parse("log.before_append=error@1,log.after_append=error@1", failpoints_));
  const std::vector<StateWrite> state = {{"k", "v"}};
  EXPECT_FALSE(log_->append(shop, test_batch({{"a", 1, "lost"}}), test_position(1), state));
  EXPECT_FALSE(log_->source_position(shop)->has_value());
  EXPECT_TRUE(log_->state("shop")->empty());
  EXPECT_FALSE(log_->append(shop, test_batch({{"a", 1, "kept"}}), test_position(1), state));
  EXPECT_EQ(read_all(), (Values{"a=kept"}));
  reopen();
  EXPECT_EQ(read_all(), (Values{"a=kept"}));
  EXPECT_EQ(**log_->source_position(shop), test_position(1));
}

TEST_P(LogConformance, NearlyFullDiskRefusesRowsAndTakesTheRest) {
  append(test_batch({{"a", 1, "x"}}), test_position(1));
  min_free_bytes_ = UINT64_MAX / 2;
  reopen();
  const Status rows = log_->append(stream(), test_batch({{"a", 2, "y"}}), test_position(2), {});
  ASSERT_FALSE(rows);
  EXPECT_EQ(rows.error().next, Next::kRetry);
  EXPECT_TRUE(log_->append(stream(), nullptr, test_position(2), {}));
  EXPECT_TRUE(log_->settle("cache", *log_->latest(), {}));
  EXPECT_TRUE(log_->put_state("cache", {{StateWrite{"k", "v"}}}));
  EXPECT_EQ(read_all(), (Values{"a=x"}));
}

}  // namespace millrace
