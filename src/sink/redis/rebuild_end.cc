#include "sink/redis/rebuild_end.h"

#include <utility>

#include "sink/redis/index/index_plan.h"

namespace millrace::redis {
namespace {

constexpr std::int64_t kStepUs = 100'000;
constexpr std::int64_t kIndexPatienceUs = 60'000'000;

}  // namespace

Status RebuildEnd::prepare() {
  const std::string key = notes_key(settings_.connector);
  auto reply = servers_.call_key(key, {"HGETALL", key});
  if (!reply) return std::move(reply).error();
  notes_ = read_notes(*reply);
  for (const Output& output : settings_.outputs) {
    const auto form = notes_.forms.find(output.name);
    if (notes_.forms.empty() || (form != notes_.forms.end() && form->second == output.form)) continue;
    const std::string what =
        form == notes_.forms.end() ? "output " + output.name : form_difference(form->second, output.form);
    return stop_error("the sink has not been started with this file yet: " + what + " is new",
                      "start it with this file first (`millrace run`)");
  }
  return {};
}

std::string RebuildEnd::unfinished() const {
  if (!notes_.earlier.empty()) return "keys of earlier settings stay, and indexes are not changed over";
  return notes_.behind.empty() ? "" : "the sink goes on saying that rows are not in the form of its settings";
}

Result<std::uint64_t> RebuildEnd::finish(std::span<const ScanTable> tables, std::vector<std::string>& left) {
  OutputNotes caught_up = notes_;
  caught_up.behind.clear();
  MILLRACE_TRY(note(std::move(caught_up)));
  if (notes_.earlier.empty()) return 0;
  const auto waiting = wait_for_indexes();
  if (!waiting) return waiting.error();
  if (!waiting->empty()) {
    left.push_back(*waiting);
    return 0;
  }
  std::uint64_t removed = 0;
  OutputNotes after = notes_;
  for (const auto& [form, until] : notes_.earlier) {
    const auto earlier = earlier_keys(form, tables);
    if (!earlier) {
      left.push_back(earlier.error().message);
      continue;
    }
    const auto count = remove(*earlier);
    if (!count) return count.error();
    removed += *count;
    after.earlier.erase(form);
  }
  MILLRACE_TRY(note(std::move(after)));
  return removed;
}

/// What was noted since it was read is not written over: it is of settings that this rebuild knows nothing
/// of.
Status RebuildEnd::note(OutputNotes after) {
  const std::string key = notes_key(settings_.connector);
  std::vector<std::vector<std::string>> commands = note_commands(key, notes_, after);
  if (commands.empty()) return {};
  if (const auto watched = call(key, {"WATCH", key}); !watched) return watched.error();
  const auto now = servers_.call_key(key, {"HGETALL", key});
  if (!now) return now.error();
  commands.insert(commands.begin(), {"MULTI"});
  commands.push_back({"EXEC"});
  if (read_notes(*now) != notes_) commands = {{"UNWATCH"}};
  bool done = false;
  for (const auto& command : commands) {
    const auto reply = call(key, command);
    if (!reply) return reply.error();
    done = command.front() == "EXEC" && reply->kind != Reply::Kind::kNull;
  }
  if (!done) {
    return stop_error("the sink has been started with other settings since the rebuild began",
                      "rebuild again");
  }
  notes_ = std::move(after);
  return {};
}

Result<Reply> RebuildEnd::call(const std::string& key, const std::vector<std::string>& command) {
  auto reply = servers_.call_key(key, command);
  if (reply && reply->is_error()) return reply_error(command.front(), reply->text);
  return reply;
}

/// Queries find the earlier keys until the sink has moved the aliases. The answer is empty when it has, else
/// a sentence.
Result<std::string> RebuildEnd::wait_for_indexes() {
  const std::int64_t until_us =
      context_.clock.now_us() + kIndexPatienceUs + settings_.index_poll_ms * 2 * 1000;
  for (const IndexDefinition& index : settings_.indexes) {
    for (;;) {
      const auto owned = servers_.call(0, {"HGETALL", owned_key(settings_.connector)});
      if (!owned) return owned.error();
      const auto info = servers_.call(0, {"FT.INFO", index.name});
      if (!info) return info.error();
      const IndexPlan::Step step = plan_index(index, *info, read_owned(*owned)).step;
      if (step == IndexPlan::Step::kNothing || step == IndexPlan::Step::kLeave) break;
      const std::int64_t now_us = context_.clock.now_us();
      if (now_us >= until_us || context_.stop.stop_requested()) {
        return "keys of earlier settings stay, as index " + index.name +
               " has not been changed over to the new ones yet; is the sink running? Rebuild again then";
      }
      context_.clock.sleep_until(now_us + kStepUs);
    }
  }
  return std::string();
}

Result<std::uint64_t> RebuildEnd::remove(const EarlierKeys& earlier) {
  std::uint64_t removed = 0;
  for (std::size_t node = 0; node < servers_.size(); ++node) {
    for (const RowKey& keys : earlier.keys) {
      auto count = remove_at(node, keys, earlier.redis_type);
      if (!count) return count;
      removed += *count;
    }
  }
  return removed;
}

/// What an output of now may write stays.
Result<std::uint64_t> RebuildEnd::remove_at(std::size_t node, const RowKey& keys,
                                            const std::string& redis_type) {
  std::uint64_t removed = 0;
  std::string cursor = "0";
  do {
    auto found =
        servers_.call(node, {"SCAN", cursor, "MATCH", keys.pattern(), "COUNT", "1000", "TYPE", redis_type});
    if (!found) return std::move(found).error();
    if (found->is_error() || found->elements.size() != 2) return reply_error("SCAN", found->text);
    cursor = found->elements[0].text;
    for (const Reply& key : found->elements[1].elements) {
      if (keys.matches(key.text) && !owned_.may_be_of_any(key.text)) servers_.put(node, {"UNLINK", key.text});
    }
    const auto replies = servers_.take();
    if (!replies) return replies.error();
    for (const Reply& reply : *replies) {
      if (reply.is_error()) return reply_error("UNLINK", reply.text);
      removed += static_cast<std::uint64_t>(reply.as_integer());
    }
  } while (cursor != "0" && !context_.stop.stop_requested());
  return removed;
}

}  // namespace millrace::redis
