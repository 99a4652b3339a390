#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/entry_place.h"
#include "sink/redis/target/content.h"

namespace millrace::redis {

/// An entry to be read. A view.
struct EntryQuestion {
  const Target& target;
  EntryPlace place;
  const Content* wanted = nullptr;  ///< see found_content
  const TablePlan* plan = nullptr;  ///< of a row that is gone: see keep_members_of_row
};

/// A command about one key.
struct KeyCommand {
  std::string key;
  std::vector<std::string> words;
};
/// Sends commands and answers their replies in order; error replies are values.
using AskKeys = std::function<Result<std::vector<Reply>>(const std::vector<KeyCommand>&)>;
/// Each where its key lives. The servers outlive it.
[[nodiscard]] AskKeys ask_servers(Servers& servers);

/// What lies in the places. A row that nests and whose parent is not there lies where it waits for that.
[[nodiscard]] Result<std::vector<Content>> read_entries(std::span<const EntryQuestion> questions,
                                                        const AskKeys& ask);

}  // namespace millrace::redis
