#include "sink/redis/prepare.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace millrace::redis {
namespace {

/// `error` where a server does not know the command. One that may not be asked shows it at the first write.
Status require(Servers& servers, const std::string& command, const Error& error) {
  for (std::size_t i = 0; i < servers.size(); ++i) {
    auto known = servers.call(i, {"COMMAND", "INFO", command});
    if (!known) return std::move(known).error();
    const bool missing =
        known->is_array() && !known->elements.empty() && known->elements.front().elements.empty();
    if (missing) return servers.at_node(i, error);
  }
  return {};
}

Status require_commands(Servers& servers, std::span<const std::unique_ptr<Lane>> lanes) {
  const auto any = [&](auto needs) {
    return std::ranges::any_of(lanes, [&](const auto& lane) { return needs(lane->target()); });
  };
  if (any([](const Target& target) { return target.type == TargetType::kJson; })) {
    MILLRACE_TRY(require(servers, "JSON.SET",
                         stop_error("the Redis server has no JSON module (ReJSON)",
                                    "use Redis Stack or Redis 8, or target.type: hash")));
  }
  if (any([](const Target& target) { return target.merge; })) {
    for (const char* command : {"JSON.MERGE", "JSON.MSET"}) {
      MILLRACE_TRY(
          require(servers, command,
                  stop_error("the JSON module of the Redis server does not know " + std::string(command),
                             "use RedisJSON 2.6 or later, or target.update: replace")));
    }
  }
  if (!any([](const Target& target) { return !target.field_expiries.empty(); })) return {};
  return require(servers, "HPEXPIREAT",
                 stop_error("the Redis server cannot end single fields of a hash (HPEXPIREAT)",
                            "use Redis 7.4 or later, or leave target.expire.fields out"));
}

/// A user who may not ask leaves us with the default.
Result<std::size_t> learn_limit(Servers& servers) {
  std::size_t limit = 0;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    auto reply = servers.call(i, {"CONFIG", "GET", "proto-max-bulk-len"});
    if (!reply) return std::move(reply).error();
    const Reply* bytes = reply->find("proto-max-bulk-len");
    if (bytes == nullptr || bytes->as_integer() <= 0) return kDefaultMaxValueBytes;
    const auto here = static_cast<std::size_t>(bytes->as_integer());
    limit = limit == 0 ? here : std::min(limit, here);
  }
  return limit;
}

}  // namespace

Status load_scripts(Servers& servers, Lane& lane) {
  std::vector<std::string> names;
  for (const std::string_view text : lane.writer().target().scripts()) {
    auto name = servers.load_script(text);
    if (!name) return std::move(name).error();
    names.push_back(std::move(*name));
  }
  lane.writer().target().set_scripts(std::move(names));
  return {};
}

Status prepare_lanes(Servers& servers, std::span<const std::unique_ptr<Lane>> lanes) {
  MILLRACE_TRY(require_commands(servers, lanes));
  const auto limit = learn_limit(servers);
  if (!limit) return limit.error();
  for (const auto& lane : lanes) {
    MILLRACE_TRY(load_scripts(servers, *lane));
    lane->writer().target().forget_sent();
    lane->writer().target().set_max_value_bytes(*limit);
  }
  return {};
}

}  // namespace millrace::redis
