#include "runtime/letter_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/sink_task.h"
#include "runtime/task_stubs.h"

namespace millrace {
namespace {

using simulation::Database;
using stubs::StubSink;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Action = LetterRequest::Action;
using State = LetterOperation::State;

/// A sink that stubs stand for, with rows of keys that repeat.
class LetterWorkTest : public testing::Test {
 protected:
  LetterWorkTest() { make(); }
  void make() {
    task_ = std::make_unique<SinkTask>(settings_, std::make_unique<StubSink>(script_), all_topics,
                                       MemoryShares{1, 1U << 20U});
  }
  static bool all_topics(std::string_view) { return true; }

  /// One transaction of one row with this key; its sequence in the log is the number of those before it.
  void append(std::int64_t key, Op op = Op::kInsert, std::uint32_t table = 0) {
    const std::string commit = std::to_string(++commits_);
    BatchBuilder builder;
    builder.begin_transaction(commit, commits_, bench_.clock.wall_us());
    builder.set_received_us(bench_.clock.wall_us());
    const Database& tables = bench_.tables;
    simulation::add_change(builder, tables, {op, {table, key}, {1, false}}, 0);
    builder.end_transaction();
    ASSERT_TRUE(bench_.log->append(*bench_.log->open_stream("db"), builder.seal(), {0, commit, 0, {}}, {}));
  }
  void reject(std::uint64_t sequence, const std::string& error = "wrong type", std::uint32_t table = 0) {
    script_.rejects.push_back({1, sequence, 0, Database::topic(table), "key", error});
  }
  void turn(int rounds = 50) { bench_.turn(*task_, rounds); }
  LetterOperation operate(LetterRequest request, int rounds = 200) {
    request.by = "test";
    const auto id = desk_.submit(std::move(request));
    EXPECT_TRUE(id);
    turn(rounds);
    return *desk_.find(*id);
  }
  LetterOperation replay(LetterFilter which = {}, bool force = false) {
    return operate(
        {.action = Action::kReplay, .which = std::move(which), .edited_columns = {}, .force = force});
  }
  std::vector<DeadLetter> letters() { return *bench_.log->dead_letters("cache", 0, 100); }
  std::vector<std::uint64_t> resent() const {
    std::vector<std::uint64_t> out;
    for (const ReadBatch& rows : script_.resent) out.push_back(rows.sequence);
    return out;
  }
  /// Rejects that `resend` answers with.
  void refuse_next(const std::string& error) {
    script_.resend_answers.emplace_back(Resent{{{1, 0, 0, "t", "new key", error}}});
  }

  stubs::Bench bench_;
  StubSink::Script script_;
  LetterDesk& desk_ = bench_.letters;
  TaskSettings settings_ = bench_.settings("cache");
  std::unique_ptr<SinkTask> task_;
  std::uint64_t commits_ = 0;
};

TEST_F(LetterWorkTest, SendsInTheOrderOfTheLog) {
  for (std::int64_t key = 1; key <= 4; ++key) append(key);
  for (const std::uint64_t sequence : {3U, 0U, 2U}) {
    reject(sequence);
    turn(1100);  // the sink is looked at once a second when nothing is in flight
  }
  turn(600);  // shown twice a second
  EXPECT_EQ(task_->status(0).dead_letters, 3U);
  const LetterOperation done = replay();
  EXPECT_EQ(done.state, State::kFinished);
  EXPECT_EQ(done.matched, 3U);
  EXPECT_EQ(done.done, 3U);
  EXPECT_THAT(resent(), ElementsAre(0, 2, 3));
  EXPECT_TRUE(script_.resent[0].resent);
  EXPECT_EQ(script_.resent[0].after.text(), "1:4:0") << "the position stays where it is";
  turn(600);
  EXPECT_EQ(task_->status(0).dead_letters, 0U);
  EXPECT_EQ(task_->status(0).dead_letters_ever, 3U);
  EXPECT_EQ(bench_.metrics.gauge("millrace_dead_letters", "", {{"connector", "cache"}}).value(), 0);
  for (const DeadLetter& letter : letters()) {
    EXPECT_EQ(letter.state, LetterState::kDone);
    EXPECT_EQ(letter.sent_again, 1U);
    ASSERT_THAT(letter.history, SizeIs(1));
    EXPECT_EQ(letter.history[0].by, "test");
  }
  EXPECT_EQ(replay().matched, 0U) << "what is done is not sent again";
}

TEST_F(LetterWorkTest, AnOldRowIsNotPutOverANewerOneUnlessForced) {
  append(1);
  append(2);
  append(1, Op::kUpdate);
  reject(0);
  reject(1);
  turn();
  const LetterOperation first = replay();
  EXPECT_EQ(first.superseded, 1U);
  EXPECT_EQ(first.done, 1U);
  EXPECT_THAT(resent(), ElementsAre(1));
  EXPECT_EQ(letters()[0].state, LetterState::kSuperseded);
  EXPECT_THAT(letters()[0].history.back().note, HasSubstr("later change"));
  LetterFilter which;
  which.ids = {letters()[0].id};
  EXPECT_EQ(replay(which).superseded, 1U);
  EXPECT_EQ(replay(which, true).done, 1U);
  EXPECT_THAT(resent(), ElementsAre(1, 0));
}

TEST_F(LetterWorkTest, ALaterRowThatWasRejectedTooDoesNotCount) {
  append(1);
  append(1, Op::kUpdate);
  reject(0);
  reject(1);
  turn();
  LetterFilter first;
  first.ids = {letters()[0].id};
  EXPECT_EQ(replay(first).done, 1U);
  EXPECT_EQ(replay().done, 1U);
  EXPECT_EQ(letters()[1].state, LetterState::kDone);
  EXPECT_EQ(replay(first).superseded, 1U) << "now the later one is there";
}

TEST_F(LetterWorkTest, OfOneKeyNothingIsSentBehindOneThatFails) {
  append(1);
  append(1, Op::kUpdate);
  append(2);
  for (std::uint64_t i = 0; i < 3; ++i) reject(i);
  turn();
  refuse_next("still wrong");
  const LetterOperation done = replay();
  EXPECT_EQ(done.failed, 1U);
  EXPECT_EQ(done.held, 1U);
  EXPECT_EQ(done.done, 1U);
  EXPECT_THAT(resent(), ElementsAre(0, 2));
  EXPECT_EQ(letters()[0].state, LetterState::kFailed);
  EXPECT_EQ(letters()[0].rejected.error, "still wrong");
  EXPECT_EQ(letters()[0].rejected.target_key, "new key");
  EXPECT_EQ(letters()[1].state, LetterState::kParked);
  EXPECT_THAT(letters()[1].history.back().note, HasSubstr("not sent: an earlier letter"));
  EXPECT_EQ(replay().done, 2U);
}

TEST_F(LetterWorkTest, WhatRetentionHasTakenCannotBeToldAndNeedsForce) {
  append(1);
  reject(0);
  turn();
  append(2);
  turn(400);
  ASSERT_GT(*bench_.log->retain({-1, 0, -1, -1}, 0), 0U);
  const LetterOperation done = replay();
  EXPECT_EQ(done.held, 1U);
  EXPECT_THAT(resent(), IsEmpty());
  EXPECT_THAT(letters()[0].history.back().note, HasSubstr("retention"));
  EXPECT_EQ(replay({}, true).done, 1U) << "its row was kept with it";
}

TEST_F(LetterWorkTest, ALetterWithoutACopyIsSentFromTheLogWhileThatHasIt) {
  append(1);
  append(2);
  reject(0);
  reject(1);
  turn(400);
  auto without = letters();
  for (DeadLetter& letter : without)
    letter.row = LetterRow::kInLog;  // as the first format of the log had them
  ASSERT_TRUE(bench_.log->update_dead_letters("cache", without));
  LetterFilter first;
  first.ids = {without[0].id};
  EXPECT_EQ(replay(first).done, 1U);
  EXPECT_EQ(script_.resent.at(0).sequence, 0U);
  ASSERT_GT(*bench_.log->retain({-1, 0, -1, -1}, 0), 0U);
  const LetterOperation rest = replay({}, true);
  EXPECT_EQ(rest.held, 1U);
  EXPECT_THAT(letters()[1].history.back().note, HasSubstr("neither kept with it nor in the log"));
}

TEST_F(LetterWorkTest, ATruncateCountsAsALaterChange) {
  append(1);
  append(7, Op::kInsert, 1);
  append(0, Op::kTruncate);
  reject(0);
  reject(1, "wrong type", 1);
  turn();
  const LetterOperation done = replay();
  EXPECT_EQ(done.superseded, 1U);
  EXPECT_EQ(done.done, 1U) << "of another table";
}

TEST_F(LetterWorkTest, DropsAGroup) {
  for (std::int64_t key = 1; key <= 3; ++key) append(key);
  reject(0, "row 7 is wrong");
  reject(1, "row 8 is wrong");
  reject(2, "other");
  turn();
  const LetterOperation done = operate({.action = Action::kDrop, .which = {{}, "row 9 is wrong", {}, {}}});
  EXPECT_EQ(done.dropped, 2U);
  EXPECT_THAT(resent(), IsEmpty());
  EXPECT_EQ(letters()[0].state, LetterState::kDropped);
  EXPECT_EQ(letters()[2].state, LetterState::kParked);
  EXPECT_EQ(replay().done, 1U);
  LetterFilter which;
  which.ids = {letters()[2].id, 99};
  const LetterOperation none = operate({.action = Action::kDrop, .which = which});
  EXPECT_EQ(none.matched, 0U) << "what is done cannot be given up";
  EXPECT_EQ(letters()[2].state, LetterState::kDone);
}

TEST_F(LetterWorkTest, GoesOnWithNewRowsInBetweenAndWaitsForWhatIsInFlight) {
  for (std::int64_t key = 1; key <= 200; ++key) append(key);
  for (std::uint64_t i = 0; i < 200; ++i) reject(i);
  turn(400);
  script_.answers = false;
  append(1000);
  turn(5);
  EXPECT_EQ(replay().state, State::kRunning);
  EXPECT_THAT(resent(), IsEmpty()) << "a row is in flight";
  script_.answers = true;
  const std::size_t written = script_.written.size();
  for (int i = 0; i < 40; ++i) {
    append(2000 + i);
    turn(1);
  }
  EXPECT_GT(script_.written.size(), written);
  turn(100);
  EXPECT_EQ(desk_.find(1)->done, 200U);
}

TEST_F(LetterWorkTest, ALostConnectionAndAFullDiskSendSomeAgainAndLoseNone) {
  for (std::int64_t key = 1; key <= 3; ++key) append(key);
  for (std::uint64_t i = 0; i < 3; ++i) reject(i);
  turn();
  script_.resend_answers.emplace_back(Resent());
  script_.resend_answers.emplace_back(reconnect_error("gone"));
  script_.position = *LogPosition::parse("1:3:0");
  const LetterOperation done = operate({}, 3000);
  EXPECT_EQ(done.done, 3U);
  EXPECT_THAT(resent(), ElementsAre(0, 1, 0, 1, 2));
  EXPECT_EQ(script_.closed, 1);

  append(9);
  reject(3);
  script_.position = *LogPosition::parse("1:4:0");
  turn();
  ASSERT_THAT(letters(), SizeIs(4));
  bench_.disk.set_full(true);
  const LetterOperation stuck = replay();
  EXPECT_EQ(stuck.state, State::kRunning);
  EXPECT_EQ(letters()[3].state, LetterState::kParked);
  bench_.disk.set_full(false);
  turn(6000);
  EXPECT_EQ(letters()[3].state, LetterState::kDone);
}

TEST_F(LetterWorkTest, ASinkThatCannotResendLeavesLettersAsTheyAre) {
  append(1);
  reject(0, "the reason");
  turn();
  script_.resend_answers.emplace_back(reject_error("this kind of sink cannot"));
  EXPECT_EQ(replay().held, 1U);
  EXPECT_EQ(letters()[0].state, LetterState::kParked);
  EXPECT_EQ(letters()[0].rejected.error, "the reason");
  EXPECT_EQ(letters()[0].sent_again, 0U);
  EXPECT_THAT(letters()[0].history.back().note, HasSubstr("cannot"));
}

TEST_F(LetterWorkTest, AStopLeavesTheRestParked) {
  append(1);
  reject(0);
  turn();
  ASSERT_TRUE(desk_.submit({}));
  task_->request_stop();
  turn(10);
  EXPECT_EQ(desk_.find(1)->state, State::kStopped);
  EXPECT_THAT(desk_.find(1)->message, HasSubstr("stopped"));
  EXPECT_EQ(letters()[0].state, LetterState::kParked);
}

TEST_F(LetterWorkTest, SendsAnEditedRowInPlaceOfTheOther) {
  append(1);
  reject(0);
  turn();
  BatchBuilder builder;
  builder.begin_transaction("edited", 1, 1);
  const Database& tables = bench_.tables;
  simulation::add_change(builder, tables, {Op::kInsert, {0, 1}, {77, false}}, 0);
  builder.end_transaction();
  LetterFilter which;
  which.ids = {letters()[0].id};
  const LetterOperation done =
      operate({.which = which, .edited = builder.seal(), .edited_columns = "number"});
  EXPECT_EQ(done.done, 1U);
  EXPECT_EQ(simulation::read_change(*script_.resent[0].batch, script_.resent[0].batch->row(0)).value.number,
            77);
  EXPECT_EQ(letters()[0].history.back().edited, "number");
}

TEST(LetterDesk, TakesNoMoreThanItsBound) {
  ManualClock clock;
  LetterDesk desk(clock);
  for (std::size_t i = 0; i < LetterDesk::kMaxQueued; ++i) {
    ASSERT_TRUE(desk.submit({}));
  }
  EXPECT_FALSE(desk.submit({}));
  for (std::size_t i = 0; i < 200; ++i) {
    auto job = desk.take();
    ASSERT_TRUE(job);
    desk.end(job->operation, State::kFinished);
    ASSERT_TRUE(desk.submit({}));
  }
  EXPECT_FALSE(desk.find(1));
  EXPECT_EQ(desk.find(200)->state, State::kFinished);
}

}  // namespace
}  // namespace millrace
