#pragma once

#include <optional>

#include "connect/log_position.h"

namespace millrace {

/// Where a sink begins to read, and what of it the target has already.
struct SinkStart {
  LogPosition from;
  /// What the target names as applied beyond what the log has settled: rows up to here are sent for their
  /// rejects only, so that no dead letter of the last moments before a crash is lost.
  LogPosition applied;
  bool first = false;    ///< this sink has never been here: it begins at the oldest rows
  bool emptied = false;  ///< the target says it holds nothing, the log had settled rows: it is filled again
};

/// Combines the target's own word, the log's settled position and the oldest rows. The target wins: where it
/// is behind, it is sent everything again from there. A target with an empty position (not none) stands at
/// the very beginning. A stream that the target does not name is taken from the settled position, then from
/// the oldest rows.
[[nodiscard]] SinkStart sink_start(const std::optional<LogPosition>& target,
                                   const std::optional<LogPosition>& settled, const LogPosition& earliest);

}  // namespace millrace
