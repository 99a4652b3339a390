#include "log/memory/memory_log.h"

#include <gtest/gtest.h>

#include "log/log_conformance.h"
#include "log/log_conformance_append.h"
#include "log/log_conformance_letters.h"
#include "log/log_conformance_read.h"
#include "log/log_conformance_sinks.h"
#include "log/log_conformance_visibility.h"

namespace millrace {
namespace {

class MemoryHome final : public LogHome {
 public:
  Result<std::unique_ptr<Log>> open(const LogWorld& world) override {
    StoreLogOptions options;
    options.min_free_bytes = world.min_free_bytes;
    return open_memory_log(disk_, options, world.clock, logger_, metrics_, world.failpoints);
  }

 private:
  MemoryDisk disk_;
  Logger logger_;
  Metrics metrics_;
};

INSTANTIATE_TEST_SUITE_P(Memory, LogConformance,
                         testing::Values([] { return std::make_unique<MemoryHome>(); }));

class MemoryLogTest : public testing::Test {
 protected:
  std::unique_ptr<Log> open(const StoreLogOptions& options = {}) {
    auto log = open_memory_log(disk_, options, clock_, logger_, metrics_, failpoints_);
    EXPECT_TRUE(log);
    return log ? std::move(*log) : nullptr;
  }
  MemoryDisk disk_;
  ManualClock clock_;
  Logger logger_;
  Metrics metrics_;
  FailPoints failpoints_;
};

TEST_F(MemoryLogTest, AFailedWriteLeavesNothingAndTheNextOneGoesOn) {
  const auto log = open();
  const StreamId stream = *log->open_stream("shop");
  disk_.set_full(true);
  const Status done = log->append(stream, test_batch({{"a", 1, "x"}}), test_position(1), {});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().next, Next::kRetry);
  EXPECT_TRUE(log->topics()->empty());
  EXPECT_FALSE(log->read(all_topics, {}, 0)->has_value());
  disk_.set_full(false);
  ASSERT_TRUE(log->append(stream, test_batch({{"a", 1, "x"}}), test_position(1), {}));
  EXPECT_EQ(log->topics()->front().next_offset, 1U);
  EXPECT_EQ(log->streams()->front().next_sequence, 1U);
}

TEST_F(MemoryLogTest, RoomIsLookedAtAgainAfterASecond) {
  StoreLogOptions options;
  options.min_free_bytes = 1000;
  const auto log = open(options);
  const StreamId stream = *log->open_stream("shop");
  disk_.set_free_bytes(999);
  clock_.advance_us(2'000'000);
  EXPECT_FALSE(log->append(stream, test_batch({{"a", 1, "x"}}), test_position(1), {}));
  EXPECT_EQ(metrics_.gauge("millrace_log_free_bytes", "", {}).value(), 999);
  disk_.set_free_bytes(1000);
  EXPECT_FALSE(log->append(stream, test_batch({{"a", 1, "x"}}), test_position(1), {}));
  clock_.advance_us(1'000'000);
  EXPECT_TRUE(log->append(stream, test_batch({{"a", 1, "x"}}), test_position(1), {}));
}

TEST_F(MemoryLogTest, ADamagedImageIsAStopThatNamesIt) {
  StreamId stream = 0;
  {
    const auto log = open();
    stream = *log->open_stream("shop");
    for (std::uint64_t i = 1; i <= 3; ++i) {
      ASSERT_TRUE(log->append(stream, test_batch({{"a", i, "x"}}), test_position(i), {}));
    }
  }
  ASSERT_TRUE(disk_.damage_image(stream, 1));
  const auto log = open();
  const auto good = log->read(all_topics, {}, 0);
  ASSERT_TRUE(good && *good);
  const auto bad = log->read(all_topics, (*good)->after, 0);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().next, Next::kStop);
  EXPECT_NE(bad.error().message.find("stream 1 of shop, batch 1"), std::string::npos) << bad.error().message;
  EXPECT_FALSE(bad.error().hint.empty());
  EXPECT_EQ((*log->batch_at(stream, 2))->size(), 1U);
}

}  // namespace
}  // namespace millrace
