#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "sink/redis/index/index_info.h"

namespace millrace::redis {

/// The indexes that a sink has made, by their own name, with what they are queried by; kept in Redis in the
/// hash `owned_key`.
using OwnedIndexes = std::map<std::string, std::string>;
[[nodiscard]] std::string owned_key(const std::string& connector);
/// From the reply to HGETALL.
[[nodiscard]] OwnedIndexes read_owned(const Reply& reply);

/// What there is to do for an index to be as it is defined.
struct IndexPlan {
  enum class Step : std::uint8_t {
    kNothing,  ///< it is
    kCreate,   ///< nothing answers to the name
    kRebuild,  ///< build beside, then move the alias
    kReplace,  ///< the same, and drop the index that has the name in the same moment
    kLeave,    ///< it is not ours
  };
  Step step = Step::kNothing;
  std::string there;  ///< the index that answers to the name; empty: none
  std::int64_t documents = 0;
  std::vector<std::string> differences;
  std::vector<std::string> leftovers;  ///< ours, neither wanted nor answering: to be dropped
};

/// `info`: the reply to FT.INFO by the index's name. Pure, as are all here.
[[nodiscard]] IndexPlan plan_index(const IndexDefinition& wanted, const Reply& info,
                                   const OwnedIndexes& owned);
/// For people; empty for kNothing.
[[nodiscard]] std::string plan_text(const IndexDefinition& wanted, const IndexPlan& plan);
/// What helps: how to let the sink do it, or to do it by hand. Empty but for kLeave.
[[nodiscard]] std::string plan_hint(const IndexDefinition& wanted, const IndexPlan& plan);
/// Those owned that no index of the settings has as its name.
[[nodiscard]] std::vector<std::string> removed_indexes(const std::vector<IndexDefinition>& wanted,
                                                       const OwnedIndexes& owned);

}  // namespace millrace::redis
