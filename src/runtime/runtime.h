#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/result.h"
#include "connect/spec.h"
#include "log/log.h"
#include "runtime/letters.h"

namespace millrace {

enum class ConnectorState : std::uint8_t {
  kStarting,
  kSnapshot,  ///< source: reads what was there before
  kRunning,
  kWaiting,  ///< the other side is away or busy: tried again for ever, with growing pauses
  kPaused,
  kFailed,  ///< only the operator can help; `message` and `hint` say how
  kStuck,   ///< neither moves nor is proven idle for longer than the watchdog allows
  kStopped,
};
/// `starting`, `snapshot`, `running`, `waiting for source`, `waiting for target`, `paused`, `failed`,
/// `stuck`, `stopped`.
[[nodiscard]] std::string_view state_name(ConnectorState state, bool is_source);

struct SnapshotProgress {
  bool active = false;
  std::string table;  ///< being read now
  std::uint64_t tables_done = 0;
  std::uint64_t tables_total = 0;
  std::uint64_t rows_done = 0;
  std::int64_t rows_estimated = -1;
};

struct ConnectorStatus {
  std::string name;
  std::string kind;
  bool is_source = true;
  ConnectorState state = ConnectorState::kStarting;
  std::string message;  ///< last error, with hint; empty when all is well
  std::string hint;
  std::string position;
  std::int64_t as_of_us = 0;  ///< wall time of the last look at position and lag
  std::int64_t lag_bytes = -1;
  std::int64_t lag_ms = -1;
  std::int64_t retained_bytes = -1;  ///< sources: WAL held back by the slot
  std::uint64_t rows = 0;            ///< since the process started
  std::uint64_t errors = 0;
  std::uint64_t dead_letters = 0;       ///< sinks: parked rows not dealt with
  std::uint64_t dead_letters_ever = 0;  ///< sinks: parked rows, whatever became of them
  SnapshotProgress snapshot;
  std::vector<std::string> warnings;
};

struct RuntimeOptions {
  std::size_t memory_bytes = 64U << 20U;  ///< all queues of the process together
  std::size_t batch_bytes = 1U << 20U;
  std::size_t batch_rows = 8192;
  std::int64_t stop_timeout_ms = 1000;
  std::int64_t stuck_after_ms = 60'000;
  RetentionPolicy retention;
};

/// Runs connectors: makes their threads, moves batches, keeps positions, retries, parks. One that fails stops
/// no other. Thread-safe. `stop()` or the destructor ends all threads.
class Runtime {
 public:
  struct Environment {
    Log& log;
    Clock& clock;
    Logger& logger;
    Metrics& metrics;
    FailPoints& failpoints;
  };

  Runtime(const Environment& environment, const RuntimeOptions& options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Starts a source or sink under the config's connector name. An error only when the name is taken or the
  /// runtime is stopping; a config that makes no connector, and what the other side does wrong, show in
  /// `status`. `topics` (sinks): exact
  /// names or, when `topics_regex` is given in the config, patterns; read from options `topics` and
  /// `topics.regex`.
  [[nodiscard]] Status start(const ConnectorSpec& spec, const ConnectorConfig& config);
  [[nodiscard]] Status pause(std::string_view name);
  [[nodiscard]] Status resume(std::string_view name);
  [[nodiscard]] Status restart(std::string_view name);
  /// Begins anew: a source as if it had never run (with its snapshot, if its mode has one; what the log has
  /// of it stays), a sink from the oldest rows of the log, whatever its target says about its position.
  [[nodiscard]] Status reset(std::string_view name);
  [[nodiscard]] Status remove(std::string_view name);
  /// Lets go what the log keeps for a sink that no connector is; an error when one is, or the log has none.
  [[nodiscard]] Status forget_sink(std::string_view name);

  /// Has a sink's own thread replay or drop dead letters; the answer is the operation's number. An error when
  /// the sink does not run. What waits when the sink stops is not done.
  [[nodiscard]] Result<std::uint64_t> work_on_letters(std::string_view sink, LetterRequest request);
  [[nodiscard]] Result<LetterOperation> letter_operation(std::string_view sink, std::uint64_t id);

  [[nodiscard]] std::vector<ConnectorStatus> status() const;

  /// Graceful: sources stop reading, what was read goes to the log, sinks settle what is in flight; within
  /// stop_timeout_ms. What is not settled then is read again at the next start.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
