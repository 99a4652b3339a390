// The small pure parts of the runtime.
#include <gtest/gtest.h>

#include <map>
#include <stdexcept>
#include <string>

#include "runtime/backoff.h"
#include "runtime/guard.h"
#include "runtime/heartbeat.h"
#include "runtime/in_flight.h"
#include "runtime/ledger.h"
#include "runtime/letter_warnings.h"
#include "runtime/memory_budget.h"
#include "runtime/sink_start.h"

namespace millrace {
namespace {

LogPosition position(std::initializer_list<StreamPosition> streams) {
  LogPosition out;
  for (const StreamPosition& at : streams) out.set(at);
  return out;
}

TEST(Backoff, GrowsToItsLongestAndStaysThere) {
  Backoff backoff("db");
  std::int64_t expected = Backoff::kFirstUs;
  for (int i = 0; i < 20; ++i) {
    const std::int64_t pause = backoff.next_us();
    EXPECT_GE(pause, expected - expected / 4);
    EXPECT_LE(pause, expected);
    expected = std::min(expected * 2, Backoff::kLongestUs);
  }
  backoff.reset();
  EXPECT_LE(backoff.next_us(), Backoff::kFirstUs);
}

TEST(Backoff, TwoConnectorsDoNotMoveInStep) {
  Backoff one("one");
  Backoff two("two");
  int same = 0;
  for (int i = 0; i < 10; ++i) same += one.next_us() == two.next_us() ? 1 : 0;
  EXPECT_LT(same, 5);
}

TEST(Heartbeat, IsStaleOnlyBetweenStartAndEnd) {
  Heartbeat heartbeat;
  EXPECT_FALSE(heartbeat.stale(1'000'000, 10));
  heartbeat.beat(100);
  EXPECT_FALSE(heartbeat.stale(110, 10));
  EXPECT_TRUE(heartbeat.stale(111, 10));
  heartbeat.beat(111);
  EXPECT_FALSE(heartbeat.stale(111, 10));
  heartbeat.finish();
  EXPECT_FALSE(heartbeat.stale(1'000'000, 10));
}

TEST(MemoryBudget, IsDividedEvenlyWithALeast) {
  constexpr std::size_t kMiB = 1U << 20U;
  EXPECT_EQ(divide_memory(64 * kMiB, kMiB, 1, 1).source_queue_bytes, 32 * kMiB);
  EXPECT_EQ(divide_memory(64 * kMiB, kMiB, 1, 1).sink_in_flight_bytes, 32 * kMiB);
  EXPECT_EQ(divide_memory(64 * kMiB, kMiB, 0, 0).source_queue_bytes, 64 * kMiB);
  EXPECT_EQ(divide_memory(64 * kMiB, kMiB, 100, 100).source_queue_bytes, 2 * kMiB);
  EXPECT_EQ(divide_memory(64 * kMiB, kMiB, 100, 100).sink_in_flight_bytes, kMiB);
}

TEST(SinkStart, FirstStartBeginsAtTheOldestRows) {
  const SinkStart start = sink_start(std::nullopt, std::nullopt, position({{1, 5, 0}}));
  EXPECT_TRUE(start.first);
  EXPECT_EQ(start.from, position({{1, 5, 0}}));
}

TEST(SinkStart, WithoutAWordOfTheTargetTheLogCounts) {
  const SinkStart start = sink_start(std::nullopt, position({{1, 7, 2}}), position({{1, 5, 0}, {2, 3, 0}}));
  EXPECT_FALSE(start.first);
  EXPECT_EQ(start.from, position({{1, 7, 2}, {2, 3, 0}}));
  EXPECT_TRUE(start.applied.streams().empty());
}

TEST(SinkStart, ATargetBehindTheLogIsSentEverythingFromThere) {
  const SinkStart start = sink_start(position({{1, 6, 0}}), position({{1, 9, 0}}), position({{1, 0, 0}}));
  EXPECT_EQ(start.from, position({{1, 6, 0}}));
  EXPECT_TRUE(start.applied.streams().empty());
}

TEST(SinkStart, WhatATargetAheadHasIsSentForItsRejectsOnly) {
  const SinkStart start = sink_start(position({{1, 9, 3}}), position({{1, 7, 0}}), position({{1, 0, 0}}));
  EXPECT_EQ(start.from, position({{1, 7, 0}}));
  EXPECT_EQ(start.applied, position({{1, 9, 3}}));
}

TEST(SinkStart, AStreamNewerThanTheLastSettlingIsLookedAtFromItsBeginning) {
  const SinkStart start =
      sink_start(position({{1, 9, 0}, {2, 4, 0}}), position({{1, 9, 0}}), position({{1, 0, 0}, {2, 1, 0}}));
  EXPECT_EQ(start.from, position({{1, 9, 0}, {2, 1, 0}}));
  EXPECT_EQ(start.applied, position({{2, 4, 0}}));
}

TEST(SinkStart, AStreamTheTargetDoesNotNameIsSentFromItsBeginning) {
  const SinkStart start =
      sink_start(position({{1, 9, 0}}), position({{1, 9, 0}, {2, 8, 0}}), position({{1, 0, 0}, {2, 0, 0}}));
  EXPECT_EQ(start.from, position({{1, 9, 0}, {2, 0, 0}}));
}

TEST(SinkStart, AForgottenSinkWhoseTargetStandsSomewhereGoesOnThere) {
  const SinkStart start = sink_start(position({{1, 9, 0}}), std::nullopt, position({{1, 0, 0}}));
  EXPECT_FALSE(start.first);
  EXPECT_EQ(start.from, position({{1, 9, 0}}));
  EXPECT_TRUE(start.applied.streams().empty());
}

TEST(SinkStart, AnEmptiedTargetIsFilledAgain) {
  const SinkStart start = sink_start(LogPosition(), position({{1, 9, 0}}), position({{1, 2, 0}}));
  EXPECT_TRUE(start.emptied);
  EXPECT_EQ(start.from, position({{1, 2, 0}}));
}

TEST(SnapshotLedger, KnowsChunksAndTheWhole) {
  EXPECT_FALSE(SnapshotLedger().complete());
  const StateWrite done = SnapshotLedger::chunk_done("public.a");
  const SnapshotLedger ledger({{done.key, *done.value}, {"snapshot/public.b", "begun"}, {"other", "done"}});
  EXPECT_TRUE(ledger.done("public.a"));
  EXPECT_FALSE(ledger.done("public.b"));
  EXPECT_FALSE(ledger.complete());
  const StateWrite none = SnapshotLedger::finished(false);
  EXPECT_TRUE(SnapshotLedger(std::map<std::string, std::string>{{none.key, *none.value}}).complete());
}

TEST(Guard, TurnsExceptionsIntoStopErrorsWithoutTheirText) {
  const Status status = guard("the sink x", []() -> Status { throw std::runtime_error("secret 4711"); });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().next, Next::kStop);
  EXPECT_EQ(status.error().message, "the sink x threw std::runtime_error");
  EXPECT_FALSE(guard("x", []() -> Status { throw 7; }));
  EXPECT_TRUE(guard("x", []() -> Status { return {}; }));
}

TEST(LetterWarnings, EachErrorAtOnceAndThenNowAndThen) {
  LetterWarnings warnings;
  const auto parked = [](const char* error, const char* topic) {
    Rejected one;
    one.error = error;
    one.topic = topic;
    return one;
  };
  const auto text = [](const std::vector<LetterWarnings::Warning>& told) {
    std::string out;
    for (const auto& one : told) out += one.error + " " + one.topic + " " + std::to_string(one.rows) + "; ";
    return out;
  };
  const std::vector<Rejected> both = {parked("no key", "a"), parked("no key", "b"), parked("too long", "b")};
  EXPECT_EQ(text(warnings.take(both, 1'000'000)), "no key a 2; too long b 1; ");
  EXPECT_EQ(text(warnings.take(both, 2'000'000)), "");
  EXPECT_EQ(text(warnings.take({{parked("refused", "c")}}, 3'000'000)), "refused c 1; ");
  EXPECT_EQ(text(warnings.due(10'900'000)), "");
  EXPECT_EQ(text(warnings.due(11'000'000)), "no key a 2; too long b 1; ");
  EXPECT_EQ(text(warnings.due(60'000'000)), "");
  for (int i = 0; i < 300; ++i)
    static_cast<void>(warnings.take({{parked(std::to_string(i).c_str(), "c")}}, 61'000'000));
  EXPECT_EQ(text(warnings.due(72'000'000)), "other errors c 199; ");
}

}  // namespace
}  // namespace millrace
