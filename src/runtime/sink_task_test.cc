#include "runtime/sink_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/task_stubs.h"

namespace millrace {
namespace {

using stubs::StubSink;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class SinkTaskTest : public testing::Test {
 protected:
  static bool is_first(std::string_view topic) { return topic == simulation::Database::topic(0); }
  void make(std::size_t in_flight_bytes = 1U << 20U, const TopicFilter& wants = is_first) {
    task_ = std::make_unique<SinkTask>(bench_.settings("cache"), std::make_unique<StubSink>(script_), wants,
                                       MemoryShares{1, in_flight_bytes});
  }
  ConnectorStatus status() { return task_->status(bench_.clock.now_us()); }
  void turn(int rounds) { bench_.turn(*task_, rounds); }
  std::string settled() const {
    const auto at = bench_.log->settled("cache");
    return *at ? (*at)->text() : "none";
  }

  stubs::Bench bench_;
  StubSink::Script script_;
  std::unique_ptr<SinkTask> task_;
};

TEST_F(SinkTaskTest, IsKnownToTheLogBeforeItsFirstRow) {
  bench_.append(1);
  make();
  turn(1);
  EXPECT_EQ(settled(), "1:0:0");
  EXPECT_THAT(script_.written, SizeIs(0));
}

TEST_F(SinkTaskTest, SettlesNowAndThenNotForEachBatch) {
  make();
  turn(2);
  for (int i = 0; i < 100; ++i) {
    bench_.append(static_cast<std::uint64_t>(i) + 1);
    turn(1);
  }
  EXPECT_THAT(script_.written, SizeIs(100));
  EXPECT_LE(script_.settled.size(), 2U);
  turn(200);
  EXPECT_EQ(settled(), "1:100:0");
}

TEST_F(SinkTaskTest, RejectsReachTheLogAtOnceAndOnce) {
  bench_.append(1);
  make();
  turn(2);
  script_.rejects.push_back({1, 0, 0, "t", "key", "wrong type"});
  bench_.append(2);
  turn(2);
  EXPECT_THAT(*bench_.log->dead_letters("cache", 0, 10), SizeIs(1));
  script_.rejects.push_back({1, 0, 0, "t", "key", "wrong type"});
  bench_.append(3);
  turn(600);
  EXPECT_EQ(status().dead_letters, 1U);
  EXPECT_EQ(status().state, ConnectorState::kRunning);
}

TEST_F(SinkTaskTest, RejectsSurviveAFullDiskAndALostConnection) {
  bench_.append(1);
  make();
  turn(1);
  bench_.disk.set_full(true);
  script_.rejects.push_back({1, 0, 0, "t", "key", "wrong type"});
  turn(10);
  EXPECT_EQ(status().state, ConnectorState::kWaiting);
  EXPECT_THAT(*bench_.log->dead_letters("cache", 0, 10), SizeIs(0));
  bench_.disk.set_full(false);
  turn(2000);
  EXPECT_THAT(*bench_.log->dead_letters("cache", 0, 10), SizeIs(1));
  EXPECT_EQ(settled(), "1:1:0");
  EXPECT_EQ(status().state, ConnectorState::kRunning);
}

TEST_F(SinkTaskTest, HandsOverNoMoreThanItsBound) {
  script_.answers = false;
  for (std::uint64_t i = 1; i <= 50; ++i) bench_.append(i);
  make(1);
  turn(100);
  EXPECT_THAT(script_.written, SizeIs(1));
  script_.answers = true;
  turn(100);
  EXPECT_THAT(script_.written, SizeIs(50));
}

TEST_F(SinkTaskTest, IsSentAgainWhatWasNotSettledAfterAnError) {
  for (std::uint64_t i = 1; i <= 3; ++i) bench_.append(i);
  script_.answers = false;
  make();
  turn(5);
  EXPECT_THAT(script_.written, SizeIs(3));
  script_.write_errors.push_back(reconnect_error("gone"));
  bench_.append(4);
  turn(2);
  EXPECT_EQ(status().state, ConnectorState::kWaiting);
  script_.written.clear();
  script_.answers = true;
  turn(400);
  EXPECT_EQ(script_.written.front().sequence, 0U);
  EXPECT_EQ(settled(), "1:4:0");
}

TEST_F(SinkTaskTest, WhatTheTargetHasIsMarkedAndTheRestIsNot) {
  for (std::uint64_t i = 1; i <= 4; ++i) bench_.append(i);
  ASSERT_TRUE(bench_.log->settle("cache", *LogPosition::parse("1:1:0"), {}));
  script_.position = *LogPosition::parse("1:3:0");
  make();
  turn(10);
  ASSERT_THAT(script_.written, SizeIs(3));
  EXPECT_TRUE(script_.written[0].already_applied);
  EXPECT_TRUE(script_.written[1].already_applied);
  EXPECT_FALSE(script_.written[2].already_applied);
}

TEST_F(SinkTaskTest, WhatTheTargetHasIsReadFirstWhateverOtherSourcesBring) {
  for (std::uint64_t i = 1; i <= 4; ++i) {
    bench_.append(i, 0, "one");
    bench_.append(i, 1, "two");
  }
  ASSERT_TRUE(bench_.log->settle("cache", *LogPosition::parse("1:0:0,2:1:0"), {}));
  script_.position = *LogPosition::parse("1:3:0,2:1:0");
  make(1U << 20U, [](std::string_view) { return true; });
  turn(20);
  ASSERT_THAT(script_.written, SizeIs(7));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(script_.written[i].stream, 1U) << i;
    EXPECT_TRUE(script_.written[i].already_applied) << i;
    EXPECT_EQ(script_.written[i].after.text(), "1:" + std::to_string(i + 1) + ":0,2:1:0");
  }
  EXPECT_EQ(script_.written.back().after.text(), "1:4:0,2:4:0");
}

TEST_F(SinkTaskTest, APositionOfSkippedRowsReachesTheTargetAndTheLog) {
  make();
  turn(2);
  for (std::uint64_t i = 1; i <= 5; ++i) bench_.append(i, 1);  // a topic it does not take
  turn(2500);
  EXPECT_EQ(settled(), "1:5:0");
  ASSERT_THAT(script_.written, SizeIs(1));
  EXPECT_EQ(script_.written[0].first_row, script_.written[0].end_row);
  EXPECT_EQ(script_.written[0].after.text(), "1:5:0");
}

TEST_F(SinkTaskTest, SaysThatItStartsIncompleteAfterRetention) {
  for (std::uint64_t i = 1; i <= 5; ++i) bench_.append(i);
  ASSERT_TRUE(bench_.log->retain({1, -1}, bench_.clock.wall_us() + 3'600'000'000));
  bench_.append(6);
  make();
  turn(600);
  ASSERT_THAT(status().warnings, SizeIs(1));
  EXPECT_THAT(status().warnings[0], HasSubstr("starts incomplete"));
  EXPECT_THAT(status().warnings[0], HasSubstr("millrace rebuild"));
}

TEST_F(SinkTaskTest, SeesAnIdleTargetThatHasGoneAndComeBackEmpty) {
  bench_.append(1);
  make();
  turn(5);
  ASSERT_EQ(script_.written.size(), 1U);
  script_.position = LogPosition();
  script_.poll_errors.push_back(reconnect_error("the target has closed the connection"));
  turn(3000);
  EXPECT_EQ(script_.closed, 1);
  EXPECT_EQ(status().state, ConnectorState::kRunning);
  EXPECT_EQ(script_.written.size(), 2U) << "filled again";
}

TEST_F(SinkTaskTest, IsStuckWhenTheTargetTakesRowsAndDoesNotAnswer) {
  bench_.options.stuck_after_ms = 5000;
  make();
  turn(8000);
  EXPECT_EQ(status().state, ConnectorState::kRunning) << "nothing to do is not stuck";
  script_.answers = false;
  bench_.append(1);
  turn(6000);
  EXPECT_EQ(status().state, ConnectorState::kStuck);
  script_.answers = true;
  turn(2);
  EXPECT_EQ(status().state, ConnectorState::kRunning);
}

TEST_F(SinkTaskTest, StopsInTimeWhenTheTargetDoesNotAnswer) {
  script_.answers = false;
  bench_.append(1);
  make();
  turn(5);
  task_->request_stop();
  turn(900);
  EXPECT_EQ(task_->stages()[0]->step(0), StepOutcome::kDone);
  EXPECT_EQ(settled(), "1:0:0");
  EXPECT_EQ(script_.closed, 1);
}

TEST_F(SinkTaskTest, SettlesAtStopWhatTheTargetAnswers) {
  bench_.append(1);
  make();
  turn(2);
  task_->request_stop();
  turn(3);
  EXPECT_EQ(settled(), "1:1:0");
  EXPECT_EQ(status().state, ConnectorState::kStopped);
}

TEST_F(SinkTaskTest, AStopErrorEndsIt) {
  script_.opens.emplace_back(stop_error("wrong password", "look at redis.uri"));
  make();
  turn(3);
  EXPECT_EQ(status().state, ConnectorState::kFailed);
  EXPECT_EQ(status().hint, "look at redis.uri");
}

}  // namespace
}  // namespace millrace
