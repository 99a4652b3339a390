#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/log_position.h"
#include "connect/task_context.h"
#include "event/batch.h"

namespace millrace {

/// Rows of one batch that a sink is to apply: rows [first_row, end_row) whose topic is selected.
struct ReadBatch {
  BatchPtr batch;
  StreamId stream = 0;
  std::uint64_t sequence = 0;
  std::uint32_t first_row = 0;
  std::uint32_t end_row = 0;
  std::vector<bool> topic_selected;  ///< by index into batch->topics()
  LogPosition after;                 ///< where the reader stands once these rows are applied
  /// The target named these rows as applied when it was opened, but the log has not settled them: they are
  /// sent for their rejects only. A sink that cannot tell the rejects without applying applies them again, in
  /// order.
  bool already_applied = false;
  /// Handed to `resend`: these rows lie before the position, and `after` is that position.
  bool resent = false;

  [[nodiscard]] bool selected(std::uint32_t i) const { return topic_selected[batch->records()[i].topic]; }
};

/// A row that the target will never take, with what is needed to show it and to send it again.
struct Rejected {
  StreamId stream = 0;
  std::uint64_t sequence = 0;
  std::uint32_t row = 0;
  std::string topic;
  std::string target_key;    ///< where it should have gone, empty if nobody can say; shown, never logged
  std::string error;         ///< without cell values
  std::string output{};      ///< of a sink that writes rows in several ways, the one that this is of
  std::string member{};      ///< where rows share a key, what is the row's own of it
  std::string moved_from{};  ///< the key under which the target still has what was to go to target_key
};

struct Settled {
  LogPosition durable;             ///< everything before it is in the target or among the rejected
  std::vector<Rejected> rejected;  ///< since the last poll
  /// Rejected some time before, and their keys have a later state by now: place and output.
  std::vector<Rejected> overtaken{};
};

/// What became of a row that was sent again: taken unless something is said here.
struct Resent {
  std::vector<Rejected> rejected;
  bool overtaken = false;  ///< left out: the target itself knows of a later change of its key
};

struct SinkStatus {
  std::int64_t queued_bytes = 0;      ///< accepted, not yet settled
  std::vector<std::string> warnings;  ///< what the operator should look at, a sentence each
};

/// A target that is kept in step. One instance a lane, used by one thread at a time. After an error with
/// kRetry or kReconnect the runtime closes it, waits, opens it again and sends from the position then
/// durable.
class Sink {
 public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;

  /// Connects and prepares the target. Answers where the target itself says it stands, which wins over the
  /// log's own word: an empty position when it holds nothing, or what another log has left there; nothing
  /// when the target keeps no position. `streams` are those it will read.
  [[nodiscard]] virtual Result<std::optional<LogPosition>> open(TaskContext& context) = 0;
  /// After `open`, before anything is written, in portions: the rows that it has rejected and that are still
  /// to be dealt with. Who builds on what the target has must know what that lacks.
  virtual void parked(std::span<const Rejected> /*rows*/) {}
  /// A row is parked no more: it was taken when it was sent again, or given up.
  virtual void unparked(const Rejected& /*row*/) {}
  /// Takes rows over; they may still be in flight when it returns. Order per target key is kept. An empty
  /// range (first_row == end_row, at most about once a second) only moves the position: a target that keeps
  /// one keeps `after`. While rows are in flight it says that the log has no more for now.
  [[nodiscard]] virtual Status write(const ReadBatch& rows) = 0;
  /// Waits until something is settled or `until_us` has come; called about once a second also when nothing is
  /// in flight, to see to the target without waiting. Only what it answers moves offsets. What it
  /// names durable is durable as far as the target promises; rejects must reach the log before or with the
  /// offset they belong to.
  [[nodiscard]] virtual Result<Settled> poll(std::int64_t until_us) = 0;
  /// Applies one row that `output` (as in Rejected) did not take before and may take now; rows behind it have
  /// been applied since.
  /// Called only while all that was written is settled; the target has the row, or it is in the answer, when
  /// this returns. The target's position stays where it is. A target that does not answer is an error as with
  /// `write`: the row may then have been applied, and is sent again. A reject error: this sink cannot do it
  /// at all, or has no such output any more.
  [[nodiscard]] virtual Result<Resent> resend(const ReadBatch& /*rows*/, std::string_view /*output*/) {
    return reject_error("this kind of sink cannot be sent a row again");
  }
  /// The log has the settled position and its rejects on disk.
  [[nodiscard]] virtual Status settled(const LogPosition& durable) = 0;
  [[nodiscard]] virtual SinkStatus status() const = 0;
  virtual void close() = 0;
};

}  // namespace millrace
