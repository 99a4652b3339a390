#include "sink/redis/truncation.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sink/redis/key_search.h"
#include "sink/redis/target/target_writer.h"

namespace millrace::redis {
namespace {

/// Whose rows go.
struct Cleared {
  Lane& lane;
  const TablePlan& plan;
};

/// Of a cluster one by one: each key is in a slot of its own.
void send_clear(const Truncation& with, const Cleared& cleared, const std::vector<std::string>& own) {
  const std::size_t at_once = with.servers.is_cluster() ? 1 : own.size();
  for (std::size_t i = 0; i < own.size(); i += at_once) {
    const auto first = own.begin() + static_cast<std::ptrdiff_t>(i);
    const std::vector<std::string> some(first, first + static_cast<std::ptrdiff_t>(at_once));
    for (const std::vector<std::string>& command : cleared.lane.writer().target().clear(some, cleared.plan))
      with.delivery.send_command(with.servers.node_of(some.front()), command);
  }
}

Status remove_at(const Truncation& with, std::size_t node, const Cleared& cleared, const KeySearch& wanted) {
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
      if (!with.store.is_own(key.text) && wanted.keys.matches(name) &&
          !with.forms.is_of_another(cleared.lane.name(), with.topic, name))
        own.emplace_back(name);
    }
    if (own.empty()) continue;
    send_clear(with, cleared, own);
    MILLRACE_TRY(with.delivery.flow().drain());
  } while (cursor != "0");
  return {};
}

Status remove_all(const Truncation& with, const Cleared& cleared, const KeySearch& wanted) {
  MILLRACE_TRY(with.servers.check_settled());
  for (std::size_t i = 0; i < with.servers.size(); ++i) MILLRACE_TRY(remove_at(with, i, cleared, wanted));
  return with.servers.check_settled();
}

}  // namespace

Status remove_keys(const Truncation& with, Lane& lane, const TablePlan& plan, const RowKey& keys) {
  const TargetWriter& target = lane.writer().target();
  const Cleared cleared{lane, plan};
  MILLRACE_TRY(remove_all(with, cleared, {keys, {}, traits_of(lane.target().type).redis_type}));
  if (target.waiting_prefix().empty()) return {};
  return remove_all(with, cleared, {keys, target.waiting_prefix(), "hash", with.servers.is_cluster()});
}

}  // namespace millrace::redis
