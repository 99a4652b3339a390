#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sink/redis/settings.h"

namespace millrace::redis {

/// A command that the sink will give for certain, whole enough for `ACL DRYRUN`.
struct NeededCommand {
  std::string right;  ///< as ACL SETUSER takes it, without the +: `json.set`, `script|load`
  std::vector<std::string> command;
};

/// Those of a sink with these settings, each once: the table of docs/delivery.md. Their keys begin as the
/// sink's own do, or are indexes' names. Pure.
[[nodiscard]] std::vector<NeededCommand> needed_commands(const Settings& settings);

/// Who the sink is at the server.
[[nodiscard]] std::string user_of(const Settings& settings);

/// What an answer of `ACL DRYRUN` says.
enum class DryRun : unsigned char { kMay, kMayNotRun, kMayNotUseKey, kNotKnown };
[[nodiscard]] DryRun read_dry_run(std::string_view answer, bool is_error);

}  // namespace millrace::redis
