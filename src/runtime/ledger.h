#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "log/log.h"

namespace millrace {

/// Which parts of a connector's snapshot are in the log. Kept in the log's state of the connector and
/// written together with the rows: `snapshot/<chunk id>` = `done`, and `snapshot` = `complete` or `none`.
class SnapshotLedger {
 public:
  SnapshotLedger() = default;
  explicit SnapshotLedger(const std::map<std::string, std::string>& state);

  /// The snapshot is in the log as a whole, or was not wanted.
  [[nodiscard]] bool complete() const { return complete_; }
  [[nodiscard]] bool done(std::string_view chunk) const { return done_.contains(chunk); }

  [[nodiscard]] static StateWrite chunk_done(std::string_view chunk);
  [[nodiscard]] static StateWrite finished(bool wanted);

 private:
  bool complete_ = false;
  std::set<std::string, std::less<>> done_;
};

}  // namespace millrace
