#include "runtime/memory_budget.h"

#include <algorithm>

namespace millrace {

MemoryShares divide_memory(std::size_t memory_bytes, std::size_t batch_bytes, std::size_t sources,
                           std::size_t sinks) {
  const std::size_t share = memory_bytes / std::max<std::size_t>(1, sources + sinks);
  return {std::max(share, 2 * batch_bytes), std::max(share, batch_bytes)};
}

}  // namespace millrace
