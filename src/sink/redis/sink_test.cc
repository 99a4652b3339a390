#include "sink/redis/sink.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "sink/redis/check.h"
#include "sink/redis/client/fake_redis.h"
#include "sink/redis/pipeline.h"
#include "sink/redis/spec.h"
#include "sink/redis/target/test_rows.h"

namespace millrace::redis {
namespace {

using Lines = std::vector<std::string>;

const auto kTable = test_schema("t", {"id", "a", "big"});

class RedisSinkTest : public testing::Test {
 protected:
  RedisSinkTest() {
    settings.connector = "cache";
    settings.client.uri.unix_path = redis.path();
    settings.outputs.front().target.key_template = *KeyTemplate::parse("k:{id}");
  }

  Result<std::optional<LogPosition>> open() {
    if (!sink) sink = *make_redis_sink(settings);
    auto position = sink->open(context);
    static_cast<void>(redis.take_done());
    return position;
  }

  /// Writes and waits until it is settled.
  Status settle(const ReadBatch& rows) {
    MILLRACE_TRY(sink->write(rows));
    return settle_at(rows.after);
  }
  Status settle_at(const LogPosition& after) {
    for (int i = 0; i < 50; ++i) {
      auto settled = sink->poll(redis.now_us() + 100'000);
      if (!settled) return std::move(settled).error();
      rejected.insert(rejected.end(), settled->rejected.begin(), settled->rejected.end());
      if (settled->durable.covers(after)) return {};
    }
    return retry_error("not settled");
  }
  /// Commands done without those of the position.
  Lines writes() {
    Lines out = redis.take_done();
    std::erase_if(out, [](const std::string& line) {
      return line.find("millrace:position:") != std::string::npos && line.rfind("EVAL ", 0) != 0;
    });
    return out;
  }

  FakeRedis redis;
  Settings settings;
  Logger logger{LogLevel::kError, LogFormat::kText};
  Metrics metrics;
  FailPoints failpoints;
  std::stop_source stop;
  TaskContext context{"cache", "LOG", redis, logger, metrics, failpoints, stop.get_token()};
  std::unique_ptr<Sink> sink;
  std::vector<Rejected> rejected;
};

TEST_F(RedisSinkTest, WritesRowsAndThePositionInOneStep) {
  const auto position = open();
  ASSERT_TRUE(position);
  EXPECT_TRUE(position->has_value());
  TestBatch batch;
  ASSERT_TRUE(settle(batch.insert(kTable, {1, "x", "b"}).read(1)));
  EXPECT_EQ(redis.take_done(), (Lines{R"(JSON.SET k:1 $ {"id":1,"a":"x","big":"b"})",
                                      "HSET millrace:position:cache log LOG position 1:2:0"}));
}

TEST_F(RedisSinkTest, RowOfAnotherTableVersionThatMovesItsDocument) {
  ASSERT_TRUE(open());
  const auto wider = test_schema("t", {"id", "a", "big", "more"});
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"});
  batch.update(wider, {1, kNotSent, kNotSent, kNotSent}, {2, "y", kKept, "m"});
  batch.insert(wider, {3, "z", "b", "m"});
  ASSERT_TRUE(settle(batch.read(1)));
  EXPECT_EQ(redis.keys().count("k:1"), 0U);
  EXPECT_EQ(redis.keys().count("k:2"), 1U);
  EXPECT_EQ(redis.keys().count("k:3"), 1U);
  EXPECT_TRUE(rejected.empty());
}

TEST_F(RedisSinkTest, ExecRefusedForTheServersSakeIsTriedAgain) {
  for (const std::string why :
       {"EXECABORT Transaction discarded because of: OOM command not allowed when used memory > 'maxmemory'.",
        "EXECABORT Transaction discarded because of: READONLY You can't write against a read only replica.",
        "EXECABORT Transaction discarded because of: MISCONF Redis is configured to save RDB snapshots",
        "EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to write.",
        "EXECABORT Transaction discarded because of previous errors."}) {
    redis.answer({});
    ASSERT_TRUE(open());
    redis.answer([&](const FakeRedis::Command& command) {
      return command[0] == "EXEC" ? "-" + why + "\r\n" : std::string();
    });
    TestBatch batch;
    const Status done = settle(batch.insert(kTable, {1, "x", "b"}).read(1));
    ASSERT_FALSE(done) << why;
    EXPECT_EQ(done.error().next, Next::kRetry) << why << " -> " << done.error().message;
  }
}

TEST_F(RedisSinkTest, EmptiedWhileConnectedIsNoticedAtTheNextWrite) {
  ASSERT_TRUE(open());
  TestBatch batch;
  ASSERT_TRUE(settle(batch.insert(kTable, {1, "x", "b"}).read(1)));
  redis.flush_all();
  const Status done = settle(batch.insert(kTable, {2, "x", "b"}).read(2));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().next, Next::kReconnect);
  sink->close();
  EXPECT_EQ(redis.keys().count("millrace:position:cache"), 0U);
  const auto position = open();
  ASSERT_TRUE(position);
  ASSERT_TRUE(position->has_value());
  EXPECT_TRUE((*position)->streams().empty()) << "it is filled again from the beginning";
  EXPECT_TRUE(rejected.empty());
}

TEST_F(RedisSinkTest, EmptiedWhileConnectedIsNoticedWhenTheSinkIsClosed) {
  ASSERT_TRUE(open());
  TestBatch batch;
  ASSERT_TRUE(settle(batch.insert(kTable, {1, "x", "b"}).read(1)));
  ReadBatch nothing = batch.insert(kTable, {2, "x", "b"}).read(2);
  nothing.end_row = nothing.first_row;
  ASSERT_TRUE(settle(nothing));
  redis.flush_all();
  sink->close();
  const auto position = open();
  ASSERT_TRUE(position);
  EXPECT_TRUE((*position)->streams().empty());
}

TEST_F(RedisSinkTest, EmptiedWhileIdleIsNoticedByPollsThatDoNotWait) {
  ASSERT_TRUE(open());
  TestBatch batch;
  ASSERT_TRUE(settle(batch.insert(kTable, {1, "x", "b"}).read(1)));
  redis.flush_all();
  std::optional<Error> error;
  for (int second = 0; second < 4 && !error; ++second) {
    redis.advance_us(1'000'000);
    if (auto settled = sink->poll(redis.now_us()); !settled) error = settled.error();
  }
  ASSERT_TRUE(error);
  EXPECT_EQ(error->next, Next::kReconnect);
}

TEST_F(RedisSinkTest, ConnectionCutWhileIdleIsNoticedByPollsThatDoNotWait) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(sink->poll(redis.now_us()));
  redis.cut();
  const auto settled = sink->poll(redis.now_us());
  ASSERT_FALSE(settled);
  EXPECT_EQ(settled.error().next, Next::kReconnect);
}

TEST_F(RedisSinkTest, SilentServerIsNoticedByPollsThatDoNotWait) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(settle(TestBatch().insert(kTable, {1, "x", "b"}).read(1)));
  redis.freeze(true);
  std::optional<Error> error;
  for (int second = 0; second < 20 && !error; ++second) {
    redis.advance_us(1'000'000);
    if (auto settled = sink->poll(redis.now_us()); !settled) error = settled.error();
  }
  ASSERT_TRUE(error);
  EXPECT_NE(error->message.find("no answer"), std::string::npos) << error->message;
}

TEST_F(RedisSinkTest, TruncateTakesTheTablesOwnKeysOfAllItsVersions) {
  settings.outputs.front().target.key_template = KeyTemplate();
  ASSERT_TRUE(open());
  const auto other_key = test_schema("t", {"nr", "a", "big", "more"});
  const auto no_key = test_schema("t", {"a", "big"}, 0);
  TestBatch batch;
  batch.insert(kTable, {1, "x", "b"}).insert(other_key, {1, "x", "b", "m"});
  ASSERT_TRUE(settle(batch.read(1)));
  for (const char* other : {"t:id:1:line:2", "t:size:1", "tt:id:1"}) redis.keys()[other][""] = "{}";
  EXPECT_EQ(redis.keys().size(), 7U);
  ASSERT_TRUE(settle(batch.truncate(no_key).read(2)));
  EXPECT_EQ(redis.keys().size(), 5U) << "the others, the position and what is noted of outputs";
  EXPECT_TRUE(rejected.empty());
}

TEST_F(RedisSinkTest, TruncateOfATableWithoutKnownKeysIsParked) {
  settings.outputs.front().target.key_template = KeyTemplate();
  ASSERT_TRUE(open());
  ASSERT_TRUE(settle(TestBatch().truncate(test_schema("t", {"a", "big"}, 0)).read(1)));
  ASSERT_EQ(rejected.size(), 1U);
  EXPECT_NE(rejected[0].error.find("no primary key"), std::string::npos) << rejected[0].error;
}

TEST_F(RedisSinkTest, FieldsOfColumnsDroppedWhileStoppedAreRemoved) {
  settings.outputs.front().target.type = TargetType::kHash;
  ASSERT_TRUE(open());
  TestBatch batch;
  ASSERT_TRUE(settle(batch.insert(kTable, {1, "x", "b"}).read(1)));
  EXPECT_EQ(writes(), (Lines{"HSET k:1 id 1 a x big b"})) << "one command while no column is gone";
  sink = nullptr;  // the process ends
  ASSERT_TRUE(open());
  ASSERT_TRUE(settle(batch.update(test_schema("t", {"id", "a"}), {}, {1, "y"}).read(2)));
  EXPECT_EQ(redis.keys()["k:1"], (std::map<std::string, std::string>{{"id", "1"}, {"a", "y"}}));
  redis.flush_all();
  EXPECT_FALSE(settle(batch.insert(kTable, {2, "x", "b"}).read(3)));
  ASSERT_TRUE(open());
  ASSERT_TRUE(settle(batch.insert(kTable, {2, "x", "b"}).read(1)));
  EXPECT_EQ(redis.keys()["millrace:position:cache"].count("columns:shop.public.t"), 1U);
}

TEST_F(RedisSinkTest, RowsOverTheServersLimitAreParked) {
  redis.answer([](const FakeRedis::Command& command) {
    return command[0] == "CONFIG" ? std::string("*2\r\n$18\r\nproto-max-bulk-len\r\n$4\r\n1000\r\n")
                                  : std::string();
  });
  ASSERT_TRUE(open());
  TestBatch batch;
  batch.insert(kTable, {1, "x", std::string(1000, 'b')}).insert(kTable, {2, "x", "b"});
  ASSERT_TRUE(settle(batch.read(1)));
  EXPECT_EQ(writes(), (Lines{R"(JSON.SET k:2 $ {"id":2,"a":"x","big":"b"})"}));
  ASSERT_EQ(rejected.size(), 1U);
  EXPECT_NE(rejected[0].error.find("proto-max-bulk-len"), std::string::npos);
}

TEST_F(RedisSinkTest, PollsThatDoNotWaitWatchTheIndexes) {
  IndexDefinition index;
  index.name = "ix";
  index.prefixes = {"k:"};
  index.fields = {{"$.a", "a", {"TAG"}}};
  settings.indexes = {index};
  bool gone = false;
  redis.answer([&](const FakeRedis::Command& command) {
    return command[0] == "FT.INFO" && gone ? std::string("-Unknown index name\r\n") : std::string();
  });
  ASSERT_TRUE(open());
  gone = true;
  for (int second = 0; second < 7; ++second) {
    redis.advance_us(1'000'000);
    ASSERT_TRUE(sink->poll(redis.now_us()));
  }
  const auto warnings = sink->status().warnings;
  EXPECT_TRUE(std::any_of(warnings.begin(), warnings.end(), [](const std::string& warning) {
    return warning.find("index ix is gone") != std::string::npos;
  }));
}

TEST_F(RedisSinkTest, StopEndsTheWaitForAServerThatDoesNotShakeHands) {
  settings.client.uri.tls = true;
  settings.client.connect_timeout_ms = 60'000;
  redis.freeze(true);
  stop.request_stop();
  const std::int64_t begin_us = redis.now_us();
  EXPECT_FALSE(open());
  EXPECT_LT(redis.now_us() - begin_us, 5'000'000);
}

TEST_F(RedisSinkTest, RowsAppliedBeforeUndoNothingWhenOtherRowsComeInBetween) {
  ASSERT_TRUE(open());
  TestBatch batch;
  const ReadBatch first = batch.insert(kTable, {1, "old", "b"}).read(1);
  ASSERT_TRUE(settle(first));
  ASSERT_TRUE(settle(batch.remove(kTable, {1, kNotSent, kNotSent}).insert(kTable, {2, "x", "b"}).read(2)));
  sink->close();
  ASSERT_TRUE(open());
  ASSERT_TRUE(sink->write(first));  // the log knows nothing of it yet
  ReadBatch other = batch.insert(kTable, {7, "x", "b"}).read(1);
  other.stream = 2;
  other.after.set({1, 2, 0});
  other.after.set({2, 2, 0});
  ASSERT_TRUE(settle(other));
  EXPECT_EQ(redis.keys().count("k:1"), 0U) << "the row was deleted, and Redis knew";
  EXPECT_EQ(redis.keys().count("k:7"), 1U);
}

TEST_F(RedisSinkTest, RowsAppliedBeforeUndoNothingWhenTheLogIsSlow) {
  ASSERT_TRUE(open());
  TestBatch batch;
  const ReadBatch first = batch.insert(kTable, {1, "old", "b"}).read(1);
  const ReadBatch second = batch.remove(kTable, {1, kNotSent, kNotSent}).read(2);
  ASSERT_TRUE(settle(first));
  ASSERT_TRUE(settle(second));
  sink->close();
  ASSERT_TRUE(open());
  ASSERT_TRUE(sink->write(first));
  for (int second_later = 0; second_later < 5; ++second_later) {
    redis.advance_us(1'000'000);
    ASSERT_TRUE(sink->poll(redis.now_us()));
    EXPECT_EQ(redis.keys().count("k:1"), 0U);
  }
  ReadBatch end;  // it has no more
  end.after = first.after;
  ASSERT_TRUE(settle(end));
  EXPECT_EQ(redis.keys().count("k:1"), 0U);
}

TEST_F(RedisSinkTest, RowsAppliedBeforeAreNotSettledUntilTheyWereLookedAtAgain) {
  ASSERT_TRUE(open());
  TestBatch batch;
  const ReadBatch first = batch.insert(kTable, {1, "x", "b"}).read(1);
  const ReadBatch second = batch.insert(kTable, {2, "x", "b"}).read(2);
  ASSERT_TRUE(settle(first));
  ASSERT_TRUE(settle(second));
  sink->close();
  ASSERT_TRUE(open());
  redis.answer([](const FakeRedis::Command& command) {
    const bool refused = command[0] == "JSON.SET" && command[1] == "k:1";
    return refused ? std::string("-WRONGTYPE it is a list\r\n") : std::string();
  });
  ASSERT_TRUE(sink->write(first));  // the log has not been told of it, nor of what Redis said
  const auto held = sink->poll(0);
  ASSERT_TRUE(held);
  EXPECT_FALSE(held->durable.covers(first.after));
  rejected = held->rejected;
  ASSERT_TRUE(settle(second));
  ASSERT_EQ(rejected.size(), 1U);
  EXPECT_EQ(rejected[0].target_key, "k:1");
}

TEST_F(RedisSinkTest, TruncationThatThePositionDoesNotTellOfIsNotUndone) {
  ASSERT_TRUE(open());
  TestBatch batch;
  const ReadBatch rows =
      batch.insert(kTable, {1, "x", "b"}).truncate(kTable).insert(kTable, {2, "y", "b"}).read(1);
  ReadBatch before = rows;
  before.end_row = 1;
  before.after = {};
  before.after.set({1, 1, 1});
  ASSERT_TRUE(settle(before));
  sink->close();
  ASSERT_TRUE(open());
  ASSERT_TRUE(settle(rows));
  const Lines done = writes();
  EXPECT_EQ(done.front(), "JSON.DEL k:1") << "it is not written once more";
  EXPECT_EQ(redis.keys().count("k:1"), 0U);
  EXPECT_EQ(redis.keys().count("k:2"), 1U);
}

TEST_F(RedisSinkTest, GroupsTakenBehindARefusedOneAreNotUndone) {
  settings.batch_commands = 1;
  ASSERT_TRUE(open());
  TestBatch batch;
  const ReadBatch first = batch.insert(kTable, {1, "old", "b"}).read(1);
  const ReadBatch second =
      batch.remove(kTable, {1, kNotSent, kNotSent}).insert(kTable, {2, "x", "b"}).read(2);
  int executed = 0;
  redis.answer([&executed](const FakeRedis::Command& command) {
    // Full for the first and the third: the second only deletes.
    return command[0] == "EXEC" && ++executed != 2 ? "-OOM command not allowed\r\n" : std::string();
  });
  ASSERT_TRUE(sink->write(first));
  ASSERT_TRUE(sink->write(second));
  ASSERT_FALSE(settle_at(second.after));
  redis.answer({});
  ASSERT_TRUE(open());
  ASSERT_TRUE(sink->write(first));
  ASSERT_TRUE(settle(second));
  EXPECT_EQ(writes(), (Lines{"JSON.DEL k:1", R"(JSON.SET k:2 $ {"id":2,"a":"x","big":"b"})"}));
  EXPECT_TRUE(rejected.empty());
}

TEST_F(RedisSinkTest, PositionBehindAMoveThatWasRefusedIsWrittenAfterAll) {
  ASSERT_TRUE(open());
  TestBatch batch;
  ASSERT_TRUE(settle(batch.insert(kTable, {1, "x", "b"}).read(1)));
  redis.answer([](const FakeRedis::Command& command) {
    return command[0] == "EVAL" ? std::string("-MILLRACE_ABSENT\r\n") : std::string();
  });
  ASSERT_TRUE(settle(batch.update(kTable, {5, kNotSent, kNotSent}, {6, "x", kKept}).read(2)));
  EXPECT_EQ(rejected.size(), 1U);
  redis.advance_us(2'000'000);
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(sink->poll(redis.now_us()));
  EXPECT_EQ(redis.keys()["millrace:position:cache"]["position"], "1:3:0");
}

TEST_F(RedisSinkTest, CheckOutlivesAServerThatGoesAwayWhileAsked) {
  redis.answer([&](const FakeRedis::Command& command) {
    if (command[0] == "FT.INFO") redis.cut();
    if (command[0] == "COMMAND") return std::string("-NOPERM this user has no permissions\r\n");
    return std::string();
  });
  const auto config = ConnectorConfig::make("cache", redis_spec().options,
                                            {{"topics", "shop.public.t", {}},
                                             {"redis.uri", "unix://" + redis.path() + "?db=0", {}},
                                             {"indexes.one.fields.a", "TAG", {}},
                                             {"indexes.two.fields.a", "TAG", {}}});
  ASSERT_TRUE(config) << config.error().message;
  std::atomic<bool> done = false;
  std::thread server([&] {
    while (!done) static_cast<void>(redis.now_us());
  });
  const auto findings = check(*config);
  done = true;
  server.join();
  const auto of = [&](std::string_view subject) {
    return std::count_if(findings.begin(), findings.end(), [&](const Finding& f) {
      return f.subject == subject && f.message.find("lost the connection") != std::string::npos;
    });
  };
  EXPECT_EQ(of("connection"), 1);
  for (const Finding& finding : findings) {
    EXPECT_NE(finding.subject, "JSON module") << "it could not be asked: " << finding.message;
  }
}

TEST(RedisErrors, RightsThatLackAreNamedAndNoFaultOfTheRow) {
  const std::string script =
      "ERR ACL failure in script: User app has no permissions to run the 'json.set' command script: 9f3, on "
      "@user_script:33.";
  EXPECT_EQ(next_of_error(script), Next::kStop);
  EXPECT_NE(reply_error("a write", script).message.find("json.set"), std::string::npos);
  const Error command =
      reply_error("SCAN", "NOPERM User app has no permissions to run the 'xinfo stream' command");
  EXPECT_EQ(command.next, Next::kStop);
  EXPECT_EQ(command.hint.substr(0, 29), "ACL SETUSER app +xinfo|stream");
  EXPECT_NE(reply_error("a write", "NOPERM No permissions to access a key").hint.find("~pattern"),
            std::string::npos);
}

TEST(RedisErrors, ReasonBehindWhatOldServersPutInFrontOfAScriptsError) {
  const std::string front = "ERR Error running script (call to f_1): @user_script:3: @user_script: 3: ";
  EXPECT_EQ(next_of_error(front + "-READONLY You can't write against a read only replica."), Next::kRetry);
  EXPECT_EQ(next_of_error(front + "-OOM command not allowed"), Next::kRetry);
  EXPECT_EQ(next_of_error(front + "WRONGTYPE Operation against a key"), Next::kReject);
  EXPECT_NE(reject_sentence(front + "WRONGTYPE Operation against a key").find("another type"),
            std::string::npos);
}

}  // namespace
}  // namespace millrace::redis
