#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/log_position.h"
#include "connect/sink.h"
#include "connect/task_context.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/flow.h"
#include "sink/redis/lane.h"
#include "sink/redis/pipeline.h"
#include "sink/redis/position_store.h"
#include "sink/redis/settings.h"

namespace millrace::redis {

/// Overlays on their way to a sink's servers, with the positions that say how far rows got. Commands are
/// gathered by the server where their key lives into groups of `redis.batch.size`. On a single server the
/// position is in the same MULTI as the rows it stands for. A cluster takes no MULTI over several slots:
/// there the position lies in front of the rows and says what was settled before them, and how far they go;
/// these may be there, and are written again when it is read. One thread; what it is made of outlives it.
class Delivery {
 public:
  /// `found`: what the servers have.
  Delivery(Servers& servers, const PositionStore& store, const Settings& settings, TaskContext& context,
           const PositionStore::Found& found);

  [[nodiscard]] Flow& flow() { return flow_; }
  [[nodiscard]] const Flow& flow() const { return flow_; }
  /// What is known to be there.
  [[nodiscard]] LogPosition settled() const { return furthest(applied_, flow_.settled()); }

  /// Appends the commands of an overlay, and sends groups that are full. `after`: see `finish`.
  [[nodiscard]] Status add(Lane& lane, const std::shared_ptr<const Overlay>& overlay,
                           const LogPosition& after, std::vector<Rejected>& rejected);
  /// Sends what is left; it stands for all rows before `after`, of which those `rejected` were not written.
  [[nodiscard]] Status finish(const LogPosition& after, std::vector<Rejected> rejected);
  /// A change of key on a single server, alone in flight, the position in the same script; see
  /// Encoder::take_move. With `settles` it stands for all rows before `after`, else for none.
  [[nodiscard]] Status send_move(Lane& lane, Overlay move, const std::string& from, const LogPosition& after,
                                 bool settles, std::vector<Rejected> rejected);
  /// A command by itself, without a position; an error reply ends the flow unless it is taken by `on_reply`.
  void send_command(std::size_t node, const std::vector<std::string>& command,
                    std::function<Status(const Reply&)> on_reply = {});

  /// With nothing in flight: every server is told of all that is settled.
  [[nodiscard]] Status settle_positions();
  /// Between writes, each second: the positions that have moved, else whether the servers still have theirs.
  void keep_positions();
  /// Before the connections end, best effort: the positions once more (not `while_held`, when rows that were
  /// read wait to be written), else rows that needed no write are read again. Answers false when a server has
  /// lost what was there before: the positions are then taken away, but it may not have come to that, so they
  /// must be taken away again when they are found next.
  [[nodiscard]] bool leave_positions(bool while_held);

 private:
  /// Commands for one server that are being gathered.
  struct Gathered {
    Group group;
    std::size_t start = 0;            ///< where they begin in the client's buffer
    bool writes = false;              ///< something goes there before the next `finish`
    LogPosition begun;                ///< of a cluster: rows up to it may have been sent
    std::int64_t position_at_us = 0;  ///< when the position was last written or asked for
  };
  void begin_writes(std::size_t node, const LogPosition& after);
  Status send_gathered(std::size_t node);
  Status send_last(std::size_t node, const LogPosition& after);
  Group wait_for_replicas(Group& group) const;
  void keep_position(std::size_t node);
  void send_position(std::size_t node);
  LogPosition append_position(std::size_t node, const LogPosition& position);

  Servers& servers_;
  const PositionStore& store_;
  const Settings& settings_;
  TaskContext& context_;
  LogPosition applied_;  ///< as found: rows before it have been applied
  Flow flow_;
  std::vector<Gathered> gathered_;  ///< by server
};

}  // namespace millrace::redis
