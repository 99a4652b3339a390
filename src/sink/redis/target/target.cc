#include "sink/redis/target/target.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "base/check.h"
#include "sink/redis/client/slot.h"

namespace millrace::redis {
namespace {

// By the order of TargetType.
constexpr std::array<TargetTraits, 6> kTraits = {{
    {.name = "json", .redis_type = "ReJSON-RL", .has_fields = true},
    {.name = "hash", .redis_type = "hash", .has_fields = true},
    {.name = "string", .redis_type = "string"},
    {.name = "set", .redis_type = "set", .has_members = true},
    {.name = "sorted_set", .redis_type = "zset", .has_members = true},
    {.name = "stream", .redis_type = "stream", .is_history = true},
}};

}  // namespace

const TargetTraits& traits_of(TargetType type) { return kTraits[static_cast<std::size_t>(type)]; }

TargetType target_type_of(std::string_view name) {
  const auto found =
      std::find_if(kTraits.begin(), kTraits.end(), [name](const TargetTraits& t) { return t.name == name; });
  MILLRACE_CHECK(found != kTraits.end());
  return static_cast<TargetType>(found - kTraits.begin());
}

std::string Target::waiting_key(std::string_view key) const {
  std::string out = waiting_prefix;
  if (in_cluster) {
    out += '{';
    out += slot_tag(slot_of(key));
    out += '}';
  }
  out += key;
  return out;
}

}  // namespace millrace::redis
