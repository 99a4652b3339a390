#pragma once

#include <latch>
#include <thread>

#include "log/log_conformance.h"

namespace millrace {

TEST_P(LogConformance, ReadersSelectTopicsAndSkipTheRest) {
  append(test_batch({{"a", 1, "1"}, {"b", 1, "2"}, {"a", 1, "3"}}), test_position(1));
  append(test_batch({{"b", 2, "4"}}), test_position(2));
  const auto only_a = [](std::string_view topic) { return topic == "a"; };
  LogPosition at = *log_->earliest();
  EXPECT_EQ(read_all(at, only_a), (Values{"a=1", "a=3"}));
  EXPECT_EQ(at, *log_->latest());

  const auto none = [](std::string_view) { return false; };
  const auto skipped = log_->read(none, *log_->earliest(), 0);
  ASSERT_TRUE(skipped && *skipped);
  EXPECT_EQ((*skipped)->first_row, (*skipped)->end_row);
  EXPECT_EQ((*skipped)->after, *log_->latest());
  EXPECT_FALSE(log_->read(none, (*skipped)->after, 0)->has_value());
}

TEST_P(LogConformance, ReadingGoesOnInTheMiddleOfABatch) {
  append(test_batch({{"a", 1, "1"}, {"a", 1, "2"}, {"a", 1, "3"}}), test_position(1));
  LogPosition at;
  at.set({stream(), 0, 2});
  EXPECT_EQ(read_all(at), (Values{"a=3"}));
  at.set({stream(), 0, 3});
  append(test_batch({{"a", 2, "4"}}), test_position(2));
  EXPECT_EQ(read_all(at), (Values{"a=4"}));
}

TEST_P(LogConformance, WhoKeepsUpGetsTheBatchItself) {
  const BatchPtr batch = test_batch({{"a", 1, "1"}});
  append(batch, test_position(1));
  const auto first = log_->read(all_topics, *log_->earliest(), 0);
  EXPECT_EQ((*first)->batch.get(), batch.get());
  reopen();
  const auto stored = log_->read(all_topics, *log_->earliest(), 0);
  EXPECT_NE((*stored)->batch.get(), batch.get());
  EXPECT_EQ((*stored)->batch->image_bytes(), batch->image_bytes());
  EXPECT_EQ((*stored)->batch->schemas()[0], log_->schemas(stream())->front());
}

TEST_P(LogConformance, StreamsTakeTurns) {
  for (std::uint64_t i = 1; i <= 3; ++i) {
    append(test_batch({{"a", i, std::to_string(i)}}), test_position(i), "one");
    append(test_batch({{"b", i, std::to_string(i)}}), test_position(i), "two");
  }
  const Values rows = read_all();
  ASSERT_EQ(rows.size(), 6U);
  for (std::size_t i = 1; i < rows.size(); ++i) EXPECT_NE(rows[i].front(), rows[i - 1].front()) << i;
}

TEST_P(LogConformance, APositionAheadOfTheLogIsRefused) {
  append(test_batch({{"a", 1, "1"}}), test_position(1));
  LogPosition ahead;
  ahead.set({stream(), 2, 0});
  const auto read = log_->read(all_topics, ahead, 0);
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().next, Next::kStop);
  LogPosition foreign;
  foreign.set({77, 0, 1});
  EXPECT_FALSE(log_->read(all_topics, foreign, 0));
  EXPECT_FALSE(log_->batch_at(stream(), 1));
  EXPECT_EQ((*log_->batch_at(stream(), 0))->size(), 1U);
}

TEST_P(LogConformance, BacklogCountsWhatIsVisibleAndUnread) {
  const BatchPtr one = test_batch({{"a", 1, "1"}}, 1, 1000);
  const BatchPtr two = test_batch({{"a", 2, "22"}}, 1, 2000);
  append(one, test_position(1));
  const std::uint64_t one_bytes = log_->streams()->front().bytes;
  append(two, test_position(2));
  const std::uint64_t all_bytes = log_->streams()->front().bytes;
  append(test_batch({{"a", 3, "3"}}, 0, 3000), test_position(2, 1));
  const Log::Backlog all = *log_->backlog(*log_->earliest());
  EXPECT_EQ(all.bytes, all_bytes);
  EXPECT_EQ(all.batches, 2U);
  EXPECT_EQ(all.oldest_us, 1000);
  LogPosition at;
  at.set({stream(), 1, 0});
  EXPECT_EQ(log_->backlog(at)->bytes, all_bytes - one_bytes);
  EXPECT_EQ(log_->backlog(at)->oldest_us, 2000);
  EXPECT_EQ(log_->backlog(*log_->latest())->batches, 0U);
}

TEST_P(LogConformance, AnAppendWakesAWaitingReader) {
  SystemClock clock;
  log_.reset();
  auto opened = home_->open({clock, failpoints_, 0});
  ASSERT_TRUE(opened);
  log_ = std::move(*opened);
  const StreamId shop = stream();
  const LogPosition from = *log_->latest();
  std::latch ready(1);
  std::size_t rows = 0;
  std::size_t topic_rows = 0;
  std::thread reader([&] {
    ready.count_down();
    const auto read = log_->read(all_topics, from, clock.now_us() + 60'000'000);
    if (read && *read) rows = (*read)->batch->size();
    const auto more = log_->read_topic("a", 1, 10, clock.now_us() + 60'000'000);
    if (more) topic_rows = more->size();
  });
  ready.wait();
  ASSERT_TRUE(log_->append(shop, test_batch({{"a", 1, "1"}}), test_position(1), {}));
  ASSERT_TRUE(log_->append(shop, test_batch({{"a", 2, "2"}}), test_position(2), {}));
  reader.join();
  EXPECT_EQ(rows, 1U);
  EXPECT_EQ(topic_rows, 1U);
}

TEST_P(LogConformance, WakeEndsAWait) {
  SystemClock clock;
  log_.reset();
  auto opened = home_->open({clock, failpoints_, 0});
  ASSERT_TRUE(opened);
  log_ = std::move(*opened);
  std::atomic<bool> done = false;
  std::thread reader([&] {
    EXPECT_FALSE(log_->read(all_topics, {}, clock.now_us() + 60'000'000)->has_value());
    done = true;
  });
  while (!done) log_->wake();
  reader.join();
}

TEST_P(LogConformance, AStreamThatIsNotWantedIsPassedInOneStep) {
  for (std::uint64_t i = 1; i <= 5; ++i) append(test_batch({{"a", i, "x"}}), test_position(i));
  append(test_batch({{"b", 1, "y"}}), test_position(1), "other");
  const auto wants_b = [](std::string_view topic) { return topic == "b"; };
  LogPosition at;
  Values values;
  for (int reads = 0; reads < 3; ++reads) {
    const auto read = log_->read(wants_b, at, 0);
    ASSERT_TRUE(read) << read.error().message;
    if (!*read) break;
    at = (*read)->after;
    for (std::uint32_t row = (*read)->first_row; row < (*read)->end_row; ++row) values.emplace_back("b");
  }
  EXPECT_EQ(values, (Values{"b"}));
  EXPECT_EQ(at, *log_->latest());
  // What retention cuts of it is not missed either.
  ASSERT_TRUE(log_->retain({-1, 0}, clock_.wall_us()));
  append(test_batch({{"a", 6, "x"}}), test_position(6));
  LogPosition behind;
  behind.set({stream("other"), at.at(stream("other")).sequence, 0});
  const auto read = log_->read(wants_b, behind, 0);
  EXPECT_TRUE(read) << read.error().message;
  EXPECT_FALSE(log_->read([](std::string_view) { return true; }, behind, 0));
}

}  // namespace millrace
