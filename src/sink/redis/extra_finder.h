#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "connect/verify.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/entry_names.h"
#include "sink/redis/entry_place.h"
#include "sink/redis/key_search.h"
#include "sink/redis/lane.h"
#include "sink/redis/owned_keys.h"

namespace millrace::redis {

/// Finds what lies under the keys of a table and belongs to no row of it, be it a key, a member of one that
/// rows share, or a row in a document: the entries of its rows are noted as they are read (8 bytes each),
/// then the servers are looked through, in portions. One thread; what it is made of outlives it.
class ExtraFinder {
 public:
  ExtraFinder(Servers& servers, const OwnedKeys& owned, std::span<const std::unique_ptr<Lane>> lanes)
      : servers_(servers), owned_(owned), lanes_(lanes), noted_(lanes.size()) {}

  /// A pass over a table begins; what was noted is forgotten.
  void begin(const ScanTable& table);
  /// Once the listing has begun it does nothing: whatever is found is asked for at the source anyway.
  void note(const Lane& lane, std::string_view key, std::string_view member);
  /// Behind the pass: adds some that were not noted. True: there are no more.
  [[nodiscard]] Result<bool> find(std::vector<ExtraEntry>& out);

 private:
  struct Noted {
    std::vector<std::size_t> hashes;  ///< of the entries that rows named; sorted once all are there
    std::optional<EntryNames> names;  ///< by the form that the table has now; none: it is not looked at
  };
  /// A key with entries of several rows.
  struct Shared {
    std::string key;
    std::string cursor;
  };
  [[nodiscard]] KeySearch search() const;
  [[nodiscard]] const Target& target() const { return lanes_[lane_]->target(); }
  Status list_keys(std::vector<ExtraEntry>& out);
  void next_node();
  Status list_members(std::vector<ExtraEntry>& out);
  [[nodiscard]] std::vector<std::string> members_command(const Shared& shared) const;
  Status take_members(Shared shared, const Reply& reply, std::vector<ExtraEntry>& out);
  void take(std::string_view key, std::string_view member, std::vector<ExtraEntry>& out);
  void take(const EntryPlace& place, RowName name, std::vector<ExtraEntry>& out);
  [[nodiscard]] bool is_new(std::string_view key, std::string_view member) const;

  Servers& servers_;
  const OwnedKeys& owned_;
  std::span<const std::unique_ptr<Lane>> lanes_;
  std::string topic_;
  std::vector<Noted> noted_;  ///< by lane
  bool sorted_ = false;
  std::size_t lane_ = 0;  ///< where it stands
  bool waiting_ = false;  ///< at rows that wait for their documents
  std::size_t node_ = 0;
  std::string cursor_ = "0";
  std::deque<Shared> shared_;             ///< keys listed whose members are to be
  std::unordered_set<std::size_t> told_;  ///< of the lane: SCAN may answer a thing twice
};

}  // namespace millrace::redis
