#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "connect/task_context.h"
#include "connect/verify.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/earlier_keys.h"
#include "sink/redis/output_notes.h"
#include "sink/redis/owned_keys.h"
#include "sink/redis/settings.h"

namespace millrace::redis {

/// What the sink has noted of the form of its rows, and what is to be done once all rows are in the form of
/// now. One thread; what it is made of outlives it.
class RebuildEnd {
 public:
  RebuildEnd(Servers& servers, const Settings& settings, const OwnedKeys& owned, TaskContext& context)
      : servers_(servers), settings_(settings), owned_(owned), context_(context) {}

  /// Reads the notes. A stop error when the sink has not begun with these settings: rows are compared with
  /// what it writes.
  [[nodiscard]] Status prepare();
  /// See TargetVerifier::unfinished and finish.
  [[nodiscard]] std::string unfinished() const;
  [[nodiscard]] Result<std::uint64_t> finish(std::span<const ScanTable> tables,
                                             std::vector<std::string>& left);

 private:
  Status note(OutputNotes after);
  Result<Reply> call(const std::string& key, const std::vector<std::string>& command);
  Result<std::string> wait_for_indexes();
  Result<std::uint64_t> remove(const EarlierKeys& earlier);
  Result<std::uint64_t> remove_at(std::size_t node, const RowKey& keys, const std::string& redis_type);

  Servers& servers_;
  const Settings& settings_;
  const OwnedKeys& owned_;
  TaskContext& context_;
  OutputNotes notes_;
};

}  // namespace millrace::redis
