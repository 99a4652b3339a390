#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "connect/verify.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/extra_finder.h"
#include "sink/redis/lane.h"
#include "sink/redis/target/content.h"

namespace millrace::redis {

/// `batch` as a sink would be given it.
[[nodiscard]] ReadBatch as_rows(const BatchPtr& batch);

/// Holds rows against what is in Redis, through the encoder that the sink writes with: by checksums where
/// they can stand for the text, else, and where they differ, by meaning. One thread; what it is made of
/// outlives it.
class RowComparer {
 public:
  RowComparer(Servers& servers, Clock& clock) : servers_(servers), clock_(clock) {}

  /// Makes the script of the checksums known to the servers.
  [[nodiscard]] Status prepare();
  /// Adds a state for each entry of the lane that is not as the rows say, and notes all that they name.
  [[nodiscard]] Status compare(Lane& lane, const BatchPtr& batch, ExtraFinder& extras,
                               std::vector<EntryState>& out);

 private:
  using Entries = std::vector<const Overlay::Entry*>;
  Status sort_out(Lane& lane, const Overlay& overlay, ExtraFinder& extras, Entries& doubtful);
  Status take_checksums(const std::vector<std::pair<const Overlay::Entry*, std::string>>& checked,
                        Entries& doubtful);
  Status settle_doubts(Lane& lane, const Overlay& overlay, std::span<const Overlay::Entry* const> doubtful,
                       std::vector<EntryState>& out);
  [[nodiscard]] bool is_as_wanted(const Target& target, const Item& item, const Content& wanted,
                                  const Content& found, EntryState& state) const;
  [[nodiscard]] static bool may_have_ended(const Target& target, const Item& item);
  [[nodiscard]] bool has_ended(const Item& item) const;
  [[nodiscard]] std::size_t keys_at_once() const;

  Servers& servers_;
  Clock& clock_;
  std::string script_;
};

}  // namespace millrace::redis
