#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/logging.h"
#include "base/metrics.h"
#include "base/result.h"
#include "log/log.h"

namespace millrace {

struct RocksLogOptions {
  std::string directory;                       ///< made when it is not there; belongs to the log
  std::size_t write_buffer_bytes = 8U << 20U;  ///< a stream, times two while one is being written out
  std::size_t block_cache_bytes = 4U << 20U;
  std::size_t tail_bytes = 4U << 20U;  ///< a stream: newest batches kept in memory for readers that keep up
  /// Rows are refused (kRetry) while the disk has less room than this; none: 256 MiB or 2 % of it, the
  /// larger.
  std::optional<std::uint64_t> min_free_bytes;
};

/// Opens or makes the durable log in `directory`. One process at a time: a second one gets a stop error with
/// the number of the first. What was being written when the last process died is there whole or not at all;
/// damage to what had been answered as written is a stop error, here or when it is read. All references
/// outlive the log.
[[nodiscard]] Result<std::unique_ptr<Log>> open_rocks_log(const RocksLogOptions& options, Clock& clock,
                                                          Logger& logger, Metrics& metrics,
                                                          FailPoints& failpoints);

/// The process that has the log in `directory` open, 0 when its number is not known; nothing when none has.
[[nodiscard]] std::optional<std::uint64_t> rocks_log_holder(const std::string& directory);

}  // namespace millrace
