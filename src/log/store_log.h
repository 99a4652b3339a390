#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/result.h"
#include "log/log.h"
#include "log/store.h"

namespace millrace {

struct StoreLogOptions {
  std::size_t tail_bytes =
      4U << 20U;  ///< a stream: newest batches kept as they are, for readers that keep up
  std::size_t history_bytes =
      1U << 20U;  ///< a stream: small old batches are read from the disk several at a time
  /// Rows are refused (kRetry) while the disk has less room than this; none: 256 MiB or 2 % of it, the
  /// larger.
  std::optional<std::uint64_t> min_free_bytes;
};

/// All references outlive the log.
struct LogEnvironment {
  Clock& clock;
  Logger& logger;
  Metrics& metrics;
  FailPoints& failpoints;
};

/// The rules of the log, over any ordered store: reads what the store holds and goes on from there. A store
/// without a log becomes one.
[[nodiscard]] Result<std::unique_ptr<Log>> open_store_log(std::unique_ptr<Store> store,
                                                          const StoreLogOptions& options,
                                                          const LogEnvironment& environment);

}  // namespace millrace
