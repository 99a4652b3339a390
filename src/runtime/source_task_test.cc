#include "runtime/source_task.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "runtime/task_stubs.h"

namespace millrace {
namespace {

using stubs::StubSource;
using ::testing::HasSubstr;

class SourceTaskTest : public testing::Test {
 protected:
  SourceTaskTest() {
    script_.fill = [this](BatchBuilder&, std::int64_t) { return Result<SourcePosition>(at_); };
  }
  void make() {
    task_ = std::make_unique<SourceTask>(bench_.settings("db"), std::make_unique<StubSource>(script_),
                                         MemoryShares{1U << 20U, 1U << 20U});
  }
  ConnectorStatus status() { return task_->status(bench_.clock.now_us()); }
  void turn(int rounds) { bench_.turn(*task_, rounds); }
  /// From now on each fill brings one transaction of one row.
  void flow() {
    script_.fill = [this](BatchBuilder& out, std::int64_t) { return at_ = bench_.add(out, ++number_); };
  }
  std::string logged_commit() const {
    const auto stream = bench_.log->open_stream("db");
    return bench_.log->source_position(*stream)->value_or(SourcePosition{}).commit;
  }

  stubs::Bench bench_;
  StubSource::Script script_;
  SourcePosition at_{0, "0", 0, {}};
  std::uint64_t number_ = 0;
  std::unique_ptr<SourceTask> task_;
};

TEST_F(SourceTaskTest, KeepsThePositionOfAFreshSourceBeforeTheFirstRow) {
  make();
  turn(3);
  EXPECT_EQ(logged_commit(), "0");
  EXPECT_EQ(bench_.log->state("db")->at("snapshot"), "none");
  EXPECT_EQ(status().state, ConnectorState::kRunning);
}

TEST_F(SourceTaskTest, AcknowledgesSoonWhatIsDurableAndNothingElse) {
  flow();
  make();
  turn(40);
  ASSERT_FALSE(script_.acknowledged.empty());
  EXPECT_LE(std::stoull(script_.acknowledged.back().commit), std::stoull(logged_commit()));
  EXPECT_GE(std::stoull(script_.acknowledged.back().commit) + 20, number_);
}

TEST_F(SourceTaskTest, IsToldAboutOnceASecondWhileHeldBackByAFullDisk) {
  make();
  turn(30);
  script_.acknowledged.clear();
  bench_.disk.set_full(true);
  flow();
  task_->set_memory({1, 1});
  turn(3000);
  EXPECT_GE(script_.acknowledged.size(), 2U);
  EXPECT_LE(script_.acknowledged.size(), 4U);
  EXPECT_EQ(status().state, ConnectorState::kWaiting);
  EXPECT_NE(status().message, "");
  EXPECT_LE(number_, 3U);  // held back, not read into memory

  bench_.disk.set_full(false);
  bench_.clock.advance_us(Backoff::kLongestUs);
  turn(50);
  EXPECT_EQ(status().state, ConnectorState::kRunning);
  EXPECT_GT(std::stoull(logged_commit()), 3U);
}

TEST_F(SourceTaskTest, WaitsWithGrowingPausesAndComesBack) {
  for (int i = 0; i < 3; ++i) script_.opens.emplace_back(reconnect_error("no route", "start the server"));
  make();
  turn(1);
  EXPECT_EQ(status().state, ConnectorState::kWaiting);
  EXPECT_EQ(status().message, "no route");
  EXPECT_EQ(status().hint, "start the server");
  EXPECT_EQ(script_.resumes.size(), 1U);
  turn(70);
  EXPECT_EQ(script_.resumes.size(), 1U) << "too soon";
  turn(40);
  EXPECT_EQ(script_.resumes.size(), 2U);
  turn(800);
  EXPECT_EQ(status().state, ConnectorState::kRunning);
  EXPECT_EQ(status().message, "");
  EXPECT_EQ(status().errors, 3U);
  EXPECT_EQ(script_.closed, 3);
}

TEST_F(SourceTaskTest, AStopErrorOrAnExceptionEndsItWithItsReason) {
  script_.opens.emplace_back(stop_error("slot is gone", "make it again"));
  make();
  turn(5);
  EXPECT_EQ(status().state, ConnectorState::kFailed);
  EXPECT_EQ(status().hint, "make it again");
  for (Stage* stage : task_->stages()) EXPECT_EQ(stage->step(0), StepOutcome::kDone);

  script_.fill = [](BatchBuilder&, std::int64_t) -> Result<SourcePosition> {
    throw std::out_of_range("4711");
  };
  make();
  turn(5);
  EXPECT_EQ(status().state, ConnectorState::kFailed);
  EXPECT_THAT(status().message, HasSubstr("std::out_of_range"));
}

TEST_F(SourceTaskTest, AfterAnErrorItGoesOnFromTheLogsPosition) {
  script_.fill = [this](BatchBuilder& out, std::int64_t) -> Result<SourcePosition> {
    if (number_ == 3) return reconnect_error("cut");
    return at_ = bench_.add(out, ++number_);
  };
  make();
  turn(200);
  ASSERT_GE(script_.resumes.size(), 2U);
  EXPECT_EQ(script_.resumes[1].position->commit, "3");
  EXPECT_TRUE(script_.resumes[1].snapshot_complete);
}

// Found by the simulator: rows given up after an append of unknown outcome, then a stop that kept their
// position.
TEST_F(SourceTaskTest, APositionWhoseRowsWereGivenUpIsNotKeptAtStop) {
  make();
  turn(3);
  ASSERT_TRUE(FailPoints::parse("log.before_append=error@1", bench_.failpoints));
  bool filled = false;
  script_.fill = [&](BatchBuilder& out, std::int64_t) -> Result<SourcePosition> {
    if (!std::exchange(filled, true)) return bench_.add(out, 1);
    return SourcePosition{0, "2", 0, {}};
  };
  Stage& reader = *task_->stages()[0];
  Stage& writer = *task_->stages()[1];
  static_cast<void>(reader.step(bench_.clock.now_us()));  // a row, not yet written
  static_cast<void>(reader.step(bench_.clock.now_us()));  // and a position behind it
  static_cast<void>(writer.step(bench_.clock.now_us()));  // the append fails, its outcome is not known
  static_cast<void>(writer.step(bench_.clock.now_us()));  // the row is given up
  script_.opens.emplace_back(reconnect_error("no route"));
  static_cast<void>(reader.step(bench_.clock.now_us()));  // closes
  bench_.clock.advance_us(Backoff::kFirstUs);
  static_cast<void>(reader.step(bench_.clock.now_us()));  // cannot open
  task_->request_stop();
  turn(1000);
  EXPECT_EQ(logged_commit(), "0");
}

TEST_F(SourceTaskTest, APositionWithoutRowsIsKeptNowAndThenAndAtStop) {
  script_.fill = [this](BatchBuilder&, std::int64_t) {
    at_.commit = std::to_string(++number_);
    return Result<SourcePosition>(at_);
  };
  make();
  turn(100);
  EXPECT_EQ(logged_commit(), "0");
  turn(500);
  EXPECT_GT(std::stoull(logged_commit()), 100U);
  task_->request_stop();
  turn(5);
  EXPECT_EQ(logged_commit(), std::to_string(number_));
  EXPECT_EQ(script_.acknowledged.back().commit, std::to_string(number_));
  EXPECT_EQ(status().state, ConnectorState::kStopped);
}

TEST_F(SourceTaskTest, TheEndOfATransactionIsKeptAtOnce) {
  int call = 0;
  script_.fill = [&](BatchBuilder& out, std::int64_t) -> Result<SourcePosition> {
    if (++call == 1) {
      out.begin_transaction("1", 1, 0);
      simulation::add_change(out, bench_.tables, {Op::kInsert, {0, 1}, {1, false}}, 0);
      return SourcePosition{0, "0", 1, {}};
    }
    if (call == 2) out.end_transaction();
    return SourcePosition{0, "1", 0, {}};
  };
  make();
  turn(6);
  EXPECT_EQ(logged_commit(), "1");
}

TEST_F(SourceTaskTest, IsStuckWhenItNeitherMovesNorIsProvenIdle) {
  bench_.options.stuck_after_ms = 5000;
  make();
  turn(10);
  script_.status.idle = true;
  turn(8000);
  EXPECT_EQ(status().state, ConnectorState::kRunning);
  script_.status.idle = false;
  turn(6000);
  EXPECT_EQ(status().state, ConnectorState::kStuck);
  flow();
  turn(5);
  EXPECT_EQ(status().state, ConnectorState::kRunning);
}

TEST_F(SourceTaskTest, WaitingForAServerThatIsAwayIsNotStuck) {
  bench_.options.stuck_after_ms = 5000;
  for (int i = 0; i < 40; ++i) script_.opens.emplace_back(reconnect_error("no route"));
  make();
  for (int i = 0; i < 100; ++i) {
    turn(1);
    EXPECT_EQ(status().state, ConnectorState::kWaiting);
    bench_.clock.advance_us(1'000'000);
  }
}

TEST_F(SourceTaskTest, WhatWasReadGoesToTheLogAtStop) {
  flow();
  make();
  for (int i = 0; i < 5; ++i)
    static_cast<void>(task_->stages()[0]->step(bench_.clock.now_us()));  // reader only
  const std::string read = std::to_string(number_);
  EXPECT_NE(logged_commit(), read);
  task_->request_stop();
  turn(10);
  EXPECT_EQ(logged_commit(), read);
}

TEST_F(SourceTaskTest, StopsInTimeWithAFullDisk) {
  make();
  turn(5);
  bench_.disk.set_full(true);
  flow();
  turn(20);
  task_->request_stop();
  turn(900);
  for (Stage* stage : task_->stages()) EXPECT_EQ(stage->step(0), StepOutcome::kDone);
}

}  // namespace
}  // namespace millrace
