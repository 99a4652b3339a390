#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "connect/task_context.h"
#include "connect/verify.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/entry_place.h"
#include "sink/redis/entry_reader.h"
#include "sink/redis/target/content.h"

namespace millrace::redis {

/// What is to be done to one entry, if it still is as `found` says.
struct EntryChange {
  const Target* target = nullptr;
  EntryPlace place;
  std::uint64_t found = 0;                           ///< Content::fingerprint when it was last looked at
  std::optional<Content> wanted{};                   ///< see found_content
  const TablePlan* plan = nullptr;                   ///< of a removal: see EntryQuestion
  std::function<std::size_t(std::string&)> write{};  ///< appends commands, answers how many
  Repaired* out = nullptr;                           ///< what became of it
};

/// Changes entries beside a sink that goes on writing: optimistic locking, each change done only if nobody
/// has touched its key since it was looked at. One thread; the servers and the context outlive it.
class EntryChanger {
 public:
  EntryChanger(Servers& servers, TaskContext& context) : servers_(servers), context_(context) {}

  /// An error when the servers are gone; what Redis refuses of one entry goes to its `out`.
  [[nodiscard]] Status change(std::span<EntryChange> changes);

 private:
  Status change_some(std::span<EntryChange> changes);
  Result<bool> change_untouched(std::span<EntryChange> changes);
  Result<std::vector<EntryChange*>> watch(std::span<EntryChange> changes, std::size_t node);
  Result<std::vector<Reply>> take(std::size_t node, std::size_t replies);

  Servers& servers_;
  TaskContext& context_;
};

}  // namespace millrace::redis
