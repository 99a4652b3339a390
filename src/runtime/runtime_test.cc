#include "runtime/runtime.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "base/text.h"
#include "log/memory/memory_log.h"
#include "runtime/simulation_database.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

/// The other side of the fakes, for specs make connectors by plain function pointers.
struct Outside {
  std::mutex mutex;
  std::uint64_t available = 0;  ///< transactions the database has
  std::vector<std::uint64_t> applied;
  LogPosition position;
  std::uint64_t acknowledged = 0;

  template <typename Use>
  auto use(Use&& action) {
    const std::lock_guard lock(mutex);
    return action();
  }
};
Outside outside;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables) reached by plain functions
const simulation::Database kTables(1);

/// Transactions of one row, numbered from 1.
class NumberSource final : public Source {
 public:
  Result<SourcePosition> open(const SourceResume& resume, TaskContext& context) override {
    context_ = &context;
    if (resume.position) number_ = parse_uint64(resume.position->commit).value_or(0);
    return SourcePosition{0, std::to_string(number_), 0, {}};
  }
  Snapshotter* snapshotter() override { return nullptr; }
  Result<SourcePosition> fill(BatchBuilder& out, std::int64_t until_us) override {
    const std::uint64_t available = outside.use([] { return outside.available; });
    if (number_ == available && !context_->stop.stop_requested()) {
      context_->clock.sleep_until(std::min(until_us, context_->clock.now_us() + 1000));
    }
    for (; number_ < available && out.rows() < 5; ++number_) {
      const std::string commit = std::to_string(number_ + 1);
      out.set_received_us(context_->clock.wall_us());
      out.begin_transaction(commit, number_ + 1, context_->clock.wall_us());
      const auto value = static_cast<std::int64_t>(number_ + 1);
      simulation::add_change(out, kTables, {Op::kInsert, {0, value}, {value, false}}, 0);
      out.end_transaction();
    }
    return SourcePosition{0, std::to_string(number_), 0, {}};
  }
  Status acknowledge(const SourcePosition& durable) override {
    outside.use([&] { return outside.acknowledged = parse_uint64(durable.commit).value_or(0); });
    return {};
  }
  SourceStatus status() const override { return {}; }
  void close() override {}

 private:
  TaskContext* context_ = nullptr;
  std::uint64_t number_ = 0;
};

class BrokenSource final : public Source {
 public:
  Result<SourcePosition> open(const SourceResume&, TaskContext&) override {
    return stop_error("no such slot");
  }
  Snapshotter* snapshotter() override { return nullptr; }
  Result<SourcePosition> fill(BatchBuilder&, std::int64_t) override { return stop_error("never opened"); }
  Status acknowledge(const SourcePosition&) override { return {}; }
  SourceStatus status() const override { return {}; }
  void close() override {}
};

/// Takes numbers, and keeps the position beside them.
class NumberSink final : public Sink {
 public:
  Result<std::optional<LogPosition>> open(TaskContext&) override {
    return std::optional<LogPosition>(outside.use([] { return outside.position; }));
  }
  Status write(const ReadBatch& rows) override {
    const std::lock_guard lock(outside.mutex);
    durable_ = rows.after;
    if (rows.already_applied) return {};
    for (std::uint32_t i = rows.first_row; i < rows.end_row; ++i) {
      outside.applied.push_back(rows.batch->row(i).after[0].word);
    }
    outside.position = rows.after;
    return {};
  }
  Result<Settled> poll(std::int64_t) override { return Settled{durable_, {}}; }
  Status settled(const LogPosition&) override { return {}; }
  SinkStatus status() const override { return {}; }
  void close() override {}

 private:
  LogPosition durable_;
};

std::span<const OptionSpec> sink_options() {
  static const std::array table = {OptionSpec{.name = "topics", .type = OptionType::kList},
                                   OptionSpec{.name = "topics.regex", .type = OptionType::kPatternList}};
  return table;
}

ConnectorSpec number_source() {
  ConnectorSpec spec;
  spec.kind = "numbers";
  spec.make_source = [](const ConnectorConfig&) -> Result<std::unique_ptr<Source>> {
    return std::unique_ptr<Source>(std::make_unique<NumberSource>());
  };
  return spec;
}
ConnectorSpec broken_source() {
  ConnectorSpec spec;
  spec.kind = "broken";
  spec.make_source = [](const ConnectorConfig&) -> Result<std::unique_ptr<Source>> {
    return std::unique_ptr<Source>(std::make_unique<BrokenSource>());
  };
  return spec;
}
ConnectorSpec number_sink() {
  ConnectorSpec spec;
  spec.kind = "numbers";
  spec.options = sink_options();
  spec.make_sink = [](const ConnectorConfig&) -> Result<std::unique_ptr<Sink>> {
    return std::unique_ptr<Sink>(std::make_unique<NumberSink>());
  };
  return spec;
}

class RuntimeTest : public testing::Test {
 protected:
  RuntimeTest() {
    const std::lock_guard lock(outside.mutex);
    outside.available = outside.acknowledged = 0;
    outside.applied.clear();
    outside.position = {};
    auto log = open_memory_log(disk_, {}, clock_, logger_, metrics_, failpoints_);
    log_ = std::move(*log);
    make();
  }
  void make() {
    runtime_.emplace(Runtime::Environment{*log_, clock_, logger_, metrics_, failpoints_}, options_);
  }

  static ConnectorConfig config(const ConnectorSpec& spec, const char* name,
                                const std::vector<Setting>& settings = {}) {
    auto made = ConnectorConfig::make(name, spec.options, settings);
    MILLRACE_CHECK(made.has_value());
    return std::move(*made);
  }
  void start_pair() {
    ASSERT_TRUE(runtime_->start(source_, config(source_, "db")));
    ASSERT_TRUE(runtime_->start(sink_, config(sink_, "cache", {{"topics.regex", "db\\..*", {}}})));
  }
  ConnectorStatus status(std::string_view name) {
    for (const ConnectorStatus& status : runtime_->status()) {
      if (status.name == name) return status;
    }
    return {};
  }
  void commit(std::uint64_t count) {
    outside.use([&] { return outside.available += count; });
  }
  /// Looks until it is so, ten seconds at most.
  bool comes(const std::function<bool()>& is_so) {
    const std::int64_t until_us = clock_.now_us() + 10'000'000;
    while (!is_so() && clock_.now_us() < until_us) clock_.sleep_until(clock_.now_us() + 500);
    return is_so();
  }
  bool all_applied() {
    return comes([] { return outside.use([] { return outside.applied.size() >= outside.available; }); });
  }
  /// Each number once and in order.
  static void expect_exactly_once() {
    const std::lock_guard lock(outside.mutex);
    for (std::size_t i = 0; i < outside.applied.size(); ++i) ASSERT_EQ(outside.applied[i], i + 1);
  }
  std::int64_t time_to_stop_us() {
    const std::int64_t began_us = clock_.now_us();
    runtime_->stop();
    return clock_.now_us() - began_us;
  }

  SystemClock clock_;
  Logger logger_;
  Metrics metrics_;
  FailPoints failpoints_;
  MemoryDisk disk_;
  RuntimeOptions options_;
  std::unique_ptr<Log> log_;
  const ConnectorSpec source_ = number_source();
  const ConnectorSpec broken_ = broken_source();
  const ConnectorSpec sink_ = number_sink();
  std::optional<Runtime> runtime_;
};

TEST_F(RuntimeTest, MovesRowsThroughPauseResumeRestartAndStop) {
  start_pair();
  commit(500);
  ASSERT_TRUE(all_applied());
  ASSERT_TRUE(comes([] { return outside.use([] { return outside.acknowledged == 500; }); }));

  ASSERT_TRUE(runtime_->pause("db"));
  EXPECT_EQ(status("db").state, ConnectorState::kPaused);
  commit(500);
  ASSERT_TRUE(runtime_->restart("cache"));
  ASSERT_TRUE(runtime_->resume("db"));
  ASSERT_TRUE(all_applied());
  EXPECT_EQ(status("db").state, ConnectorState::kRunning);

  commit(10'000);
  ASSERT_TRUE(runtime_->restart("db"));
  ASSERT_TRUE(runtime_->restart("cache"));
  EXPECT_LT(time_to_stop_us(), 1'000'000);
  EXPECT_EQ(status("db").state, ConnectorState::kStopped);
  expect_exactly_once();

  make();  // another life on the same log
  start_pair();
  ASSERT_TRUE(all_applied());
  EXPECT_LT(time_to_stop_us(), 1'000'000);
  expect_exactly_once();
}

TEST_F(RuntimeTest, StopsWithinASecondWhenIdleAndWhenTheDiskIsFull) {
  start_pair();
  commit(10);
  ASSERT_TRUE(all_applied());
  disk_.set_full(true);
  commit(10'000);
  ASSERT_TRUE(comes([this] { return status("db").state == ConnectorState::kWaiting; }));
  EXPECT_LT(time_to_stop_us(), 1'000'000);
  EXPECT_FALSE(runtime_->resume("db"));
}

TEST_F(RuntimeTest, OneThatFailsStopsNoOther) {
  ASSERT_TRUE(runtime_->start(broken_, config(broken_, "other")));
  start_pair();
  ASSERT_TRUE(comes([this] { return status("other").state == ConnectorState::kFailed; }));
  EXPECT_EQ(status("other").message, "no such slot");
  commit(100);
  EXPECT_TRUE(all_applied());
}

TEST_F(RuntimeTest, OneWhoseSettingsMakeNoConnectorFailsAlone) {
  ConnectorSpec spec = source_;
  spec.make_source = [](const ConnectorConfig&) -> Result<std::unique_ptr<Source>> {
    return stop_error("two options contradict each other", "Keep one.");
  };
  ASSERT_TRUE(runtime_->start(spec, config(spec, "odd")));
  start_pair();
  commit(10);
  ASSERT_TRUE(all_applied());
  EXPECT_EQ(status("odd").state, ConnectorState::kFailed);
  EXPECT_EQ(status("odd").message, "two options contradict each other");
  EXPECT_EQ(status("odd").hint, "Keep one.");
  EXPECT_FALSE(runtime_->restart("odd"));
  EXPECT_EQ(status("odd").state, ConnectorState::kFailed);
  EXPECT_TRUE(runtime_->remove("odd"));
}

TEST_F(RuntimeTest, RefusesWhatCannotBeStarted) {
  start_pair();
  EXPECT_THAT(runtime_->start(source_, config(source_, "db")).error().message, HasSubstr("already"));
  EXPECT_TRUE(runtime_->start(sink_, config(sink_, "quiet")));
  EXPECT_THAT(status("quiet").message, HasSubstr("takes no topics"));
  EXPECT_FALSE(runtime_->pause("nobody"));
  EXPECT_EQ(runtime_->status().size(), 3U);
}

TEST_F(RuntimeTest, ARemovedSinkHoldsNothingBack) {
  start_pair();
  commit(10);
  ASSERT_TRUE(all_applied());
  ASSERT_TRUE(comes([this] { return log_->settled("cache")->has_value(); }));
  ASSERT_TRUE(runtime_->remove("cache"));
  EXPECT_FALSE(log_->settled("cache")->has_value());
  EXPECT_EQ(runtime_->status().size(), 1U);
  EXPECT_TRUE(runtime_->start(sink_, config(sink_, "cache", {{"topics", "db.public.t0", {}}})));
}

TEST_F(RuntimeTest, StatusAndOperationsFromManyThreads) {
  start_pair();
  commit(2000);
  std::array<std::jthread, 3> threads;
  for (std::jthread& thread : threads) {
    thread = std::jthread([this](const std::stop_token& stop) {
      while (!stop.stop_requested()) {
        static_cast<void>(runtime_->status());
        static_cast<void>(metrics_.expose(1));
        clock_.sleep_until(clock_.now_us() + 200);
      }
    });
  }
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(runtime_->restart("db"));
    ASSERT_TRUE(runtime_->pause("cache"));
    ASSERT_TRUE(runtime_->resume("cache"));
  }
  EXPECT_TRUE(all_applied());
  for (std::jthread& thread : threads) thread.request_stop();
  for (std::jthread& thread : threads) thread.join();
  runtime_->stop();
  expect_exactly_once();
}

}  // namespace
}  // namespace millrace
