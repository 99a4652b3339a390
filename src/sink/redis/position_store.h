#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "connect/log_position.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/position.h"
#include "sink/redis/slot_record.h"

namespace millrace::redis {

/// The hashes in which a sink keeps its position beside the data: one on a server, one on each master of a
/// cluster (SlotRecord). Lives no longer than the servers.
class PositionStore {
 public:
  PositionStore(Servers& servers, std::string sink, std::string log_id);

  struct Found {
    LogPosition start;        ///< rows before it are there; empty: none, or those of another log
    LogPosition begun;        ///< rows before it may be there; on a single server all of them are
    bool complete = true;     ///< of a cluster: every slot has a position
    std::vector<bool> known;  ///< by node: it has its hash
    std::string foreign;      ///< not empty: the key of a hash that another log has left
    std::vector<TopicColumns> columns;
  };
  [[nodiscard]] Result<Found> read();
  /// The columns that hashes may have as fields, whatever log wrote them.
  [[nodiscard]] Result<std::vector<TopicColumns>> columns();
  /// Gives each master its hash for the slots it has now and takes away those that lie elsewhere. With
  /// nothing in flight; `found` is as `read` left it, and is brought up to date.
  [[nodiscard]] Status arrange(Found& found);
  /// Takes all of them away.
  [[nodiscard]] Status forget();

  [[nodiscard]] const std::string& key(std::size_t node) const { return keys_[node]; }
  /// The HSET that writes it: `position` is what is settled, `begun` what may have been sent.
  [[nodiscard]] std::vector<std::string> command(std::size_t node, const LogPosition& position,
                                                 const LogPosition& begun) const;
  /// Whether a key is one of these.
  [[nodiscard]] bool is_own(std::string_view key) const;

 private:
  Result<Found> read_one();
  Result<Found> read_all();
  Result<std::vector<Reply>> read_slots();
  Status take_one(const Reply& reply, std::uint16_t slot, Found& found);

  Servers& servers_;
  std::string sink_;
  std::string log_id_;
  std::vector<std::string> keys_;  ///< by node
  std::vector<SlotRecord> records_;
  std::vector<std::string> elsewhere_;  ///< keys of hashes that lie in no master's first slot
};

}  // namespace millrace::redis
