#pragma once

#include <cstddef>

namespace millrace {

/// What each active connector may hold.
struct MemoryShares {
  std::size_t source_queue_bytes = 0;    ///< read and not yet in the log
  std::size_t sink_in_flight_bytes = 0;  ///< handed to the sink and not yet settled
};

/// Divides `memory_bytes` evenly over the active sources and sinks. A source never gets less than two
/// batches, or it could not read while it writes, and a sink never less than one; so very many connectors
/// pass the budget rather than stand still. The batch a source is filling and the one being written come on
/// top.
[[nodiscard]] MemoryShares divide_memory(std::size_t memory_bytes, std::size_t batch_bytes,
                                         std::size_t sources, std::size_t sinks);

}  // namespace millrace
