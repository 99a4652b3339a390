#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/verify.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/lane.h"
#include "sink/redis/owned_keys.h"

namespace millrace::redis {

/// Finds what lies under the keys of a table and belongs to no row of it: the keys of its rows are noted as
/// they are read (8 bytes each), then the servers are looked through. One thread; what it is made of outlives
/// it.
class ExtraFinder {
 public:
  ExtraFinder(Servers& servers, const OwnedKeys& owned, std::span<const std::unique_ptr<Lane>> lanes)
      : servers_(servers), owned_(owned), lanes_(lanes) {}

  /// Whether it can be told of a target's keys that no row has them.
  [[nodiscard]] static bool looks_at(const Target& target);

  /// A pass over a table begins; what was noted is forgotten.
  void begin(const ScanTable& table);
  void note(const Lane& lane, std::string_view key);
  /// Behind the pass: adds some that were not noted. True: there are no more.
  [[nodiscard]] Result<bool> find(std::vector<ExtraEntry>& out);

 private:
  struct Noted {
    std::vector<std::size_t> hashes;  ///< of the keys that rows named; sorted once all are there
    std::vector<RowKey> keys;         ///< how the keys of the table begun were and are made
  };
  void take_keys(const Lane& lane, const Noted& noted, const Reply& keys, std::vector<ExtraEntry>& out) const;

  Servers& servers_;
  const OwnedKeys& owned_;
  std::span<const std::unique_ptr<Lane>> lanes_;
  std::string topic_;
  TableSchemaPtr schema_;
  std::vector<Noted> noted_;  ///< by lane
  bool sorted_ = false;
  std::size_t lane_ = 0;  ///< where it stands
  std::size_t node_ = 0;
  std::string cursor_ = "0";
};

}  // namespace millrace::redis
