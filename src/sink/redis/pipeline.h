#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "connect/sink.h"
#include "sink/redis/client.h"
#include "sink/redis/encoder.h"

namespace millrace::redis {

/// One MULTI/EXEC on its way, or a command of its own.
struct Group {
  enum class Kind : std::uint8_t {
    kWrites,   ///< MULTI, commands, EXEC
    kCommand,  ///< a command whose reply goes to `on_reply`
    kNothing,  ///< no command: rows that needed none, or all rejected
  };
  Kind kind = Kind::kNothing;
  std::shared_ptr<const Overlay> overlay;
  std::vector<std::uint32_t> entries;  ///< of each command in MULTI, the entry it belongs to
  bool has_position = false;           ///< the last command in MULTI is the position
  std::size_t bytes = 0;
  std::optional<LogPosition> after;  ///< where the reader stands once this group is in
  std::vector<Rejected> rejected;
  std::function<Status(const Reply&)> on_reply;

  std::size_t replies = 0;  ///< seen so far
  std::string refused;      ///< first error in place of QUEUED
};

/// The sentence for the rows of a command that Redis refused. Never holds values.
[[nodiscard]] std::string reject_sentence(std::string_view error);

/// Groups in flight, in order, and what their replies settle. One thread; the client outlives it.
class Pipeline {
 public:
  explicit Pipeline(Client& client) : client_(client) {}

  /// `group`'s commands are already in client.out().
  void push(Group group);
  /// Reads the replies that have come. An error ends the pipeline: nothing after it counts.
  [[nodiscard]] Status take_replies();
  /// What was settled since the last call: a position if it moved, and the rejects up to it.
  [[nodiscard]] std::optional<LogPosition> take_settled(std::vector<Rejected>& rejected);

  [[nodiscard]] bool idle() const { return groups_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  Status take(Group& group, const Reply& reply, bool& complete);
  Status take_exec(Group& group, const Reply& reply);
  void finish_front();

  Client& client_;
  std::deque<Group> groups_;
  std::size_t bytes_ = 0;
  std::optional<LogPosition> settled_;
  std::vector<Rejected> rejected_;
};

}  // namespace millrace::redis
