#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "connect/sink.h"
#include "sink/redis/client/client.h"
#include "sink/redis/parked_keys.h"
#include "sink/redis/target/encoder.h"

namespace millrace::redis {

/// One MULTI/EXEC on its way, or a command of its own.
struct Group {
  enum class Kind : std::uint8_t {
    kWrites,   ///< MULTI, commands, EXEC
    kPlain,    ///< commands one by one: those of a cluster, whose keys are in slots of their own
    kCommand,  ///< a command whose reply goes to `on_reply`
    kNothing,  ///< no command: rows that needed none, or all rejected
  };
  Kind kind = Kind::kNothing;
  std::shared_ptr<const Overlay> overlay;
  ParkedKeys* parked = nullptr;           ///< of the overlay's output
  std::vector<std::uint32_t> entries;     ///< of each command of a write, the entry it belongs to
  std::vector<std::uint32_t> unfinished;  ///< entries of which the last rows are parked
  std::optional<LogPosition> position;    ///< written by the last command in MULTI, or by the only one
  bool position_in_script = false;        ///< the first command writes it and answers for it
  std::size_t bytes = 0;
  std::optional<LogPosition> after;  ///< where the reader stands once this group is in
  std::vector<Rejected> rejected;
  std::function<Status(const Reply&)> on_reply;
  std::string commands;  ///< of a cluster: as sent, for a node that a slot is moving to

  /// Commands between MULTI and EXEC.
  [[nodiscard]] std::size_t queued() const {
    return entries.size() + (position && !position_in_script ? 1 : 0);
  }

  std::size_t replies = 0;                   ///< seen so far
  std::string refused;                       ///< first error in place of QUEUED
  std::uint32_t last_rejected = UINT32_MAX;  ///< entry
};

/// What became of writes under a guard; see Guard.
struct GuardCount {
  std::uint64_t writes = 0;
  std::uint64_t stale = 0;  ///< of these, those that were left out: the key has a later version
};

/// The sentence for the rows of a command that Redis refused. Never holds values.
[[nodiscard]] std::string reject_sentence(std::string_view error);

/// Groups in flight, in order, and what their replies settle. One thread; the client outlives it.
class Pipeline {
 public:
  /// What a reply to a command (as on the wire) really is; see Servers::follow.
  using Follow = std::function<Result<Reply>(Reply reply, std::string_view command)>;
  struct Done {
    LogPosition after;
    std::vector<Rejected> rejected;
  };

  /// `written`: the position that Redis has; `known`: it has one. `follow`: of a cluster.
  Pipeline(Client& client, LogPosition written, bool known, Follow follow = {})
      : client_(client), written_(std::move(written)), position_known_(known), follow_(std::move(follow)) {}

  /// `group`'s commands are already in client.out().
  void push(Group group);
  /// Reads the replies that have come. An error ends the pipeline: nothing after it counts.
  [[nodiscard]] Status take_replies();
  /// A group was refused. Those that were sent behind it may all the same have been applied.
  [[nodiscard]] bool refused() const { return refused_; }
  /// What is settled: the position behind each group that names one, with the rejects up to it. Rejects of
  /// what is not settled wait: Redis may turn out to have lost what they were held against.
  [[nodiscard]] std::deque<Done>& done() { return done_; }

  [[nodiscard]] bool idle() const { return groups_.empty(); }
  /// Entries with one of these hashes are in flight.
  [[nodiscard]] bool has_any_of(const std::unordered_set<std::size_t>& hashes) const;
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// The last position that Redis has answered for.
  [[nodiscard]] const LogPosition& written() const { return written_; }
  [[nodiscard]] bool position_known() const { return position_known_; }
  /// Redis has lost the position, and with it the rows, since this connection read or wrote it; a position
  /// that was written after that says of rows that they are there which are not.
  [[nodiscard]] bool position_lost() const { return position_lost_; }
  [[nodiscard]] Error lose_position();
  /// Since the pipeline was made, of all writes.
  [[nodiscard]] const GuardCount& guarded() const { return guarded_; }

 private:
  Status take(Group& group, const Reply& reply, bool& complete);
  Status take_exec(Group& group, const Reply& reply);
  Status take_plain(Group& group, const Reply& reply, bool& complete);
  Result<Reply> really(const Group& group, Reply reply);
  Status take_write(Group& group, std::size_t command, const Reply& reply);
  Status take_error(Group& group, std::size_t command, const std::string& error);
  Status take_position(const Group& group, const Reply& added);
  void finish_front();

  Client& client_;
  std::deque<Group> groups_;
  std::size_t bytes_ = 0;
  std::deque<Done> done_;
  std::vector<Rejected> waiting_;  ///< of groups behind the last one settled
  LogPosition written_;
  bool position_known_;
  bool position_lost_ = false;
  bool refused_ = false;
  GuardCount guarded_;
  Follow follow_;
};

}  // namespace millrace::redis
