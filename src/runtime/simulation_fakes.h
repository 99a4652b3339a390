#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connect/sink.h"
#include "connect/source.h"
#include "log/log.h"
#include "runtime/simulation_database.h"

namespace millrace::simulation {

/// A fault put in on purpose, to prove that the simulator finds such ones.
enum class Planted : std::uint8_t {
  kNone,
  kLogAnswersEarly,     ///< append answers before the write is on the disk: acknowledged before it is durable
  kSourceSendsTwice,    ///< rows already in the log are sent again
  kTargetAnswersEarly,  ///< rows are called durable before the target has them
  kRejectsForgotten,    ///< rows applied before a crash are not looked at again for their rejects
  kLettersOverNewer,    ///< dead letters are sent again without a look at later changes
  kAppendTriedAgain,    ///< an append whose outcome is not known is said to be safe to repeat
};

/// What the fakes share: dice, how often things go wrong, and what is really on disk.
struct World {
  explicit World(std::uint64_t seed) : dice(seed) {}

  Dice dice;
  Planted planted = Planted::kNone;
  std::uint64_t error_rate = 0;  ///< per mille of calls that fail
  std::uint64_t crash_rate = 0;  ///< per mille of writes at which the program dies
  bool keeps_position = true;    ///< the target stores the log position with the data
  bool honours_applied = true;   ///< and looks at rows it has already for their rejects only
  bool wants_snapshot = true;
  bool heals = false;          ///< some time the target begins to take what it has refused
  bool healed = false;         ///< it does by now, when it is sent again
  std::uint64_t slowness = 0;  ///< per mille of polls that bring nothing

  const Database* database = nullptr;
  bool crashed = false;    ///< from here on nothing the program does has any effect
  std::string problem;     ///< the first broken promise
  SourcePosition on_disk;  ///< of the log
  std::map<std::string, std::uint64_t> rows_on_disk;  ///< by commit

  void blame(std::string what) {
    if (problem.empty()) problem = std::move(what);
  }
  [[nodiscard]] bool fails() { return dice.chance(error_rate); }
  [[nodiscard]] bool dies() {
    if (dice.chance(crash_rate)) crashed = true;
    return crashed;
  }
};

/// A connection to the Database.
class ScriptedSource final : public Source, public Snapshotter {
 public:
  ScriptedSource(Database& database, World& world) : database_(database), world_(world) {}

  [[nodiscard]] Result<SourcePosition> open(const SourceResume& resume, TaskContext& context) override;
  [[nodiscard]] Snapshotter* snapshotter() override { return in_snapshot_ ? this : nullptr; }
  [[nodiscard]] Result<SourcePosition> fill(BatchBuilder& out, std::int64_t until_us) override;
  [[nodiscard]] Status acknowledge(const SourcePosition& durable) override;
  [[nodiscard]] SourceStatus status() const override;
  void close() override { in_snapshot_ = false; }

  [[nodiscard]] Result<std::vector<Chunk>> plan() override;
  [[nodiscard]] Result<bool> read(const Chunk& chunk, BatchBuilder& out, std::int64_t until_us) override;
  [[nodiscard]] Result<SourcePosition> finish() override;

 private:
  [[nodiscard]] Error lost() const { return reconnect_error("connection lost"); }

  Database& database_;
  World& world_;
  bool in_snapshot_ = false;
  SourcePosition position_;
  std::size_t next_ = 0;  // transaction being sent
  std::size_t row_ = 0;   // row of it to come
  std::size_t skip_ = 0;  // rows of it that are in the log
  bool begun_ = false;    // the builder knows it
  std::uint64_t keep_alives_ = 0;
  std::vector<Change> chunk_rows_;  // of the chunk being read
  std::string chunk_;
};

/// What the target has on its own disk.
struct TargetDisk {
  Contents contents;
  LogPosition position;
  std::map<StreamId, StreamPosition> last_row;  ///< newest row applied
};

/// A connection to the target.
class FakeTarget final : public Sink {
 public:
  FakeTarget(TargetDisk& disk, World& world) : disk_(disk), world_(world) {}

  [[nodiscard]] Result<std::optional<LogPosition>> open(TaskContext& context) override;
  [[nodiscard]] Status write(const ReadBatch& rows) override;
  [[nodiscard]] Result<Settled> poll(std::int64_t until_us) override;
  [[nodiscard]] Result<Resent> resend(const ReadBatch& rows, std::string_view output) override;
  [[nodiscard]] Status settled(const LogPosition& durable) override;
  [[nodiscard]] SinkStatus status() const override { return {}; }
  void close() override { in_flight_.clear(); }

 private:
  void apply(const ReadBatch& rows, Settled& answer);
  void check_complete(const ReadBatch& rows);

  TargetDisk& disk_;
  World& world_;
  std::deque<ReadBatch> in_flight_;
};

/// Wraps a log: what is written may fail, or be the last thing the program does.
[[nodiscard]] std::unique_ptr<Log> make_faulty_log(std::unique_ptr<Log> inner, World& world);

}  // namespace millrace::simulation
