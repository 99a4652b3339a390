#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "event/position.h"
#include "source/postgres/lsn.h"

/// Where a stream of PostgreSQL stands, and the rules for going on from there. Pure.
///
/// `SourcePosition::commit` is `lsn_key` of the place from which the server is to go on: everything whose
/// commit record begins before it is in the log, and START_REPLICATION from it sends exactly the rest. After
/// a transaction that is the end of its commit record; when idle, the end of what the server has looked
/// through. A row's transaction carries the `lsn_key` of where its commit record begins (known with its first
/// row), so a transaction is in the log as a whole if and only if its own key is less than the position's
/// commit.
namespace millrace::postgres {

/// A SourcePosition taken apart.
struct StreamPoint {
  std::uint32_t epoch = 0;
  Lsn next = 0;                 ///< go on from here
  Lsn open_commit = 0;          ///< commit record of the transaction that is partly in the log; 0: none
  std::uint64_t open_rows = 0;  ///< how many of its rows are
  std::string system_id;        ///< of the server's data directory
  std::uint32_t timeline = 0;

  friend bool operator==(const StreamPoint&, const StreamPoint&) = default;
};

[[nodiscard]] SourcePosition to_source_position(const StreamPoint& point);
[[nodiscard]] Result<StreamPoint> to_stream_point(const SourcePosition& position);

/// For the connector's spec. Unordered when the positions are of different servers in the same epoch, or not
/// ours.
[[nodiscard]] std::partial_ordering compare_positions(const SourcePosition& a, const SourcePosition& b);

/// What IDENTIFY_SYSTEM says, and when the timeline is not ours, TIMELINE_HISTORY.
struct ServerIdentity {
  std::string system_id;
  std::uint32_t timeline = 0;
  Lsn wal_end = 0;
  struct Switch {
    std::uint32_t timeline = 0;
    Lsn end = 0;  ///< where the server left that timeline
  };
  std::vector<Switch> history;
};

/// Lines `timeline <tab> switch point <tab> reason` of a history file; what is not of that form is left out.
[[nodiscard]] std::vector<ServerIdentity::Switch> parse_timeline_history(std::string_view content);

/// A row of pg_replication_slots.
struct SlotFacts {
  std::string plugin;
  std::string type;  ///< `logical` or `physical`
  std::string database;
  bool active = false;
  std::int64_t active_pid = 0;
  std::string wal_status;  ///< `reserved`, `extended`, `unreserved`, `lost`; empty: not told
  Lsn restart = 0;
  Lsn confirmed_flush = 0;
};

/// Compares our own position with what the server says before anything is started. An error says what is
/// wrong and what the operator can choose from; kRetry only when the slot is in use by another connection. No
/// position: a slot that is there is looked at all the same.
[[nodiscard]] Status check_resume(const std::optional<StreamPoint>& position, const ServerIdentity& server,
                                  const std::optional<SlotFacts>& slot, const std::string& slot_name,
                                  const std::string& database);

}  // namespace millrace::postgres
