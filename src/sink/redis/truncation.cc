#include "sink/redis/truncation.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sink/redis/target/target_writer.h"

namespace millrace::redis {
namespace {

/// Keys to look for: those of `keys` with `prefix` in front (and, of a cluster, the tag between them).
struct Wanted {
  const RowKey& keys;
  std::string_view prefix;
  std::string_view redis_type;
  bool tagged = false;

  [[nodiscard]] std::string pattern() const {
    return glob_escaped(prefix) + (tagged ? "{*}" : "") + keys.pattern();
  }
  [[nodiscard]] std::string_view name_of(std::string_view key) const {
    key.remove_prefix(prefix.size());
    if (tagged) key.remove_prefix(std::min(key.size(), key.find('}') + 1));
    return key;
  }
};

/// Of a cluster one by one: each key is in a slot of its own.
void send_clear(const Truncation& with, const TargetWriter& target, const std::vector<std::string>& own) {
  const std::size_t at_once = with.servers.is_cluster() ? 1 : own.size();
  for (std::size_t i = 0; i < own.size(); i += at_once) {
    const auto first = own.begin() + static_cast<std::ptrdiff_t>(i);
    const std::vector<std::string> some(first, first + static_cast<std::ptrdiff_t>(at_once));
    for (const std::vector<std::string>& command : target.clear(some))
      with.delivery.send_command(with.servers.node_of(some.front()), command);
  }
}

Status remove_at(const Truncation& with, std::size_t node, const TargetWriter& target, const Wanted& wanted) {
  const std::string pattern = wanted.pattern();
  std::string cursor = "0";
  do {
    MILLRACE_TRY(with.context.failpoints.pass("redis.in_truncate"));
    auto found = with.servers.call(
        node, {"SCAN", cursor, "MATCH", pattern, "COUNT", "1000", "TYPE", std::string(wanted.redis_type)});
    if (!found) return std::move(found).error();
    if (found->is_error()) return reply_error("SCAN", found->text);
    if (!found->is_array() || found->elements.size() != 2)
      return reconnect_error("Redis answered SCAN with something else");
    cursor = found->elements[0].text;
    std::vector<std::string> own;
    for (const Reply& key : found->elements[1].elements) {
      const std::string_view name = wanted.name_of(key.text);
      if (!with.store.is_own(key.text) && wanted.keys.matches(name)) own.emplace_back(name);
    }
    if (own.empty()) continue;
    send_clear(with, target, own);
    MILLRACE_TRY(with.delivery.flow().drain());
  } while (cursor != "0");
  return {};
}

Status remove_all(const Truncation& with, const TargetWriter& target, const Wanted& wanted) {
  MILLRACE_TRY(with.servers.check_settled());
  for (std::size_t i = 0; i < with.servers.size(); ++i) MILLRACE_TRY(remove_at(with, i, target, wanted));
  return with.servers.check_settled();
}

}  // namespace

Status remove_keys(const Truncation& with, Lane& lane, const RowKey& keys) {
  const TargetWriter& target = lane.writer().target();
  MILLRACE_TRY(remove_all(with, target, {keys, {}, traits_of(lane.target().type).redis_type}));
  if (target.waiting_prefix().empty()) return {};
  return remove_all(with, target, {keys, target.waiting_prefix(), "hash", with.servers.is_cluster()});
}

}  // namespace millrace::redis
