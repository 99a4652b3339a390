#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/log_position.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/client/slot_map.h"

namespace millrace::redis {

/// What a sink keeps on one master of a cluster, in a hash that lies in the first slot the master serves:
/// beside the data, so that both go back together when a replica takes over. Pure.
struct SlotRecord {
  std::uint16_t at = 0;          ///< slot in which the hash was found
  std::vector<SlotRange> slots;  ///< those it speaks for
  LogPosition position;          ///< all rows before it are in these slots
  LogPosition begun;             ///< no row behind it has been sent to the master
};

/// Where the hash lies: `millrace:position:<sink>:{<tag of the slot>}`.
[[nodiscard]] std::string record_key(std::string_view sink, std::uint16_t slot);

/// The arguments of the HSET that writes it.
[[nodiscard]] std::vector<std::string> record_command(const std::string& key, const std::string& log_id,
                                                      const SlotRecord& record);

/// From the reply to HGETALL. Nothing: there is none, or it is of another log. A stop error when it cannot be
/// read.
[[nodiscard]] Result<std::optional<SlotRecord>> read_record(const Reply& reply, const std::string& key,
                                                            std::string_view log_id);

/// Where all slots stand together.
struct SlotPositions {
  bool complete = false;  ///< some record speaks for each slot
  LogPosition start;      ///< the least of all slots; empty unless complete
  LogPosition begun;      ///< the furthest of all
};
/// A slot may have moved since its record was written, so whichever record speaks for it counts, the furthest
/// of several: each was true when it was written, and what is in a slot moves with it.
[[nodiscard]] SlotPositions combine(std::span<const SlotRecord> records);

}  // namespace millrace::redis
