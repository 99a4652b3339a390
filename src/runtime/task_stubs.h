#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connect/sink.h"
#include "connect/source.h"
#include "log/memory/memory_log.h"
#include "runtime/simulation_database.h"
#include "runtime/task.h"

namespace millrace::stubs {

/// A source that does what its test sets: each call takes the next of its answers, or a mild default.
class StubSource final : public Source {
 public:
  struct Script {
    std::deque<Result<SourcePosition>> opens;
    std::function<Result<SourcePosition>(BatchBuilder&, std::int64_t)> fill;
    SourceStatus status;
    std::vector<SourceResume> resumes;  ///< what it was opened with
    std::vector<SourcePosition> acknowledged;
    int closed = 0;
  };
  explicit StubSource(Script& script) : script_(script) {}

  [[nodiscard]] Result<SourcePosition> open(const SourceResume& resume, TaskContext&) override {
    script_.resumes.push_back(resume);
    if (script_.opens.empty()) return resume.position.value_or(SourcePosition{0, "0", 0, {}});
    Result<SourcePosition> answer = std::move(script_.opens.front());
    script_.opens.pop_front();
    return answer;
  }
  [[nodiscard]] Snapshotter* snapshotter() override { return nullptr; }
  [[nodiscard]] Result<SourcePosition> fill(BatchBuilder& out, std::int64_t until_us) override {
    return script_.fill(out, until_us);
  }
  [[nodiscard]] Status acknowledge(const SourcePosition& durable) override {
    script_.acknowledged.push_back(durable);
    return {};
  }
  [[nodiscard]] SourceStatus status() const override { return script_.status; }
  void close() override { ++script_.closed; }

 private:
  Script& script_;
};

/// A sink that does what its test sets.
class StubSink final : public Sink {
 public:
  struct Script {
    std::deque<Result<std::optional<LogPosition>>> opens;
    std::optional<LogPosition> position;  ///< answered when `opens` is used up
    bool answers = true;                  ///< poll settles all that was written
    std::deque<Error> write_errors;
    std::deque<Error> poll_errors;
    std::vector<Rejected> rejects;  ///< answered by the next poll
    std::vector<ReadBatch> written;
    std::vector<ReadBatch> resent;
    std::deque<Result<Resent>> resend_answers;  ///< used up: all are taken
    std::vector<LogPosition> settled;
    int closed = 0;
  };
  explicit StubSink(Script& script) : script_(script) {}

  [[nodiscard]] Result<std::optional<LogPosition>> open(TaskContext&) override {
    if (script_.opens.empty()) return script_.position;
    Result<std::optional<LogPosition>> answer = std::move(script_.opens.front());
    script_.opens.pop_front();
    return answer;
  }
  [[nodiscard]] Status write(const ReadBatch& rows) override {
    script_.written.push_back(rows);
    if (script_.write_errors.empty()) return {};
    Error error = std::move(script_.write_errors.front());
    script_.write_errors.pop_front();
    return error;
  }
  [[nodiscard]] Result<Settled> poll(std::int64_t) override {
    if (!script_.poll_errors.empty()) {
      Error error = std::move(script_.poll_errors.front());
      script_.poll_errors.pop_front();
      return error;
    }
    Settled out;
    if (script_.answers && !script_.written.empty()) out.durable = script_.written.back().after;
    out.rejected = std::exchange(script_.rejects, {});
    return out;
  }
  [[nodiscard]] Result<Resent> resend(const ReadBatch& rows, std::string_view /*output*/) override {
    script_.resent.push_back(rows);
    if (script_.resend_answers.empty()) return Resent();
    Result<Resent> answer = std::move(script_.resend_answers.front());
    script_.resend_answers.pop_front();
    return answer;
  }
  [[nodiscard]] Status settled(const LogPosition& durable) override {
    script_.settled.push_back(durable);
    return {};
  }
  [[nodiscard]] SinkStatus status() const override { return {}; }
  void close() override { ++script_.closed; }

 private:
  Script& script_;
};

/// A log in memory and all that a task needs, under a hand-turned clock.
struct Bench {
  ManualClock clock{1'000'000'000};
  Logger logger;
  Metrics metrics;
  FailPoints failpoints;
  MemoryDisk disk;
  std::unique_ptr<Log> log = open();
  simulation::Database tables{2};
  RuntimeOptions options;
  LetterDesk letters{clock};

  std::unique_ptr<Log> open() {
    auto opened = open_memory_log(disk, {}, clock, logger, metrics, failpoints);
    MILLRACE_CHECK(opened.has_value());
    return std::move(*opened);
  }
  TaskSettings settings(const char* name) {
    return {name, "stub", *log, clock, logger, metrics, failpoints, options, false, &letters};
  }
  /// One transaction of one row of table `table`; answers the position behind it.
  SourcePosition add(BatchBuilder& out, std::uint64_t number, std::uint32_t table = 0) const {
    const std::string commit = std::to_string(number);
    out.begin_transaction(commit, number, clock.wall_us());
    out.set_received_us(clock.wall_us());
    simulation::add_change(out, tables, {Op::kInsert, {table, 1}, {1, false}}, 0);
    out.end_transaction();
    return {0, commit, 0, {}};
  }
  void append(std::uint64_t number, std::uint32_t table = 0, std::string_view source = "db") const {
    BatchBuilder builder;
    const SourcePosition after = add(builder, number, table);
    const auto stream = log->open_stream(source);
    MILLRACE_CHECK(log->append(*stream, builder.seal(), after, {}).has_value());
  }
  /// Steps all stages, round by round, the clock a millisecond a round.
  void turn(Task& task, int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (Stage* stage : task.stages()) static_cast<void>(stage->step(clock.now_us()));
      clock.advance_us(1000);
    }
  }
};

}  // namespace millrace::stubs
