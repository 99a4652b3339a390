#include "sink/redis/entry_changer.h"

#include <algorithm>
#include <utility>

#include "sink/redis/pipeline.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kAtOnce = 100;  // Redis looks through all keys watched at each WATCH
constexpr int kTurns = 20;
constexpr std::int64_t kStepUs = 100'000;

Status take_change(const EntryChange& change, std::span<const Reply> replies) {
  for (const Reply& one : replies) {
    if (!one.is_error()) continue;
    if (next_of_error(one.text) != Next::kReject) return reply_error("a repair", one.text);
    change.out->error = reject_sentence(one.text);
  }
  change.out->done = change.out->error.empty();
  return {};
}

}  // namespace

/// Of a cluster one by one: each key is in a slot of its own.
Status EntryChanger::change(std::span<EntryChange> changes) {
  while (!changes.empty()) {
    const std::size_t count = servers_.is_cluster() ? 1 : std::min(changes.size(), kAtOnce);
    MILLRACE_TRY(change_some(changes.first(count)));
    changes = changes.subspan(count);
  }
  return {};
}

/// EXEC does nothing when one of the keys was touched since WATCH. Then the halves are tried, down to single
/// ones, and these some times more: a key that rows share is touched for the others' sake all the time.
Status EntryChanger::change_some(std::span<EntryChange> changes) {
  for (int turn = 0; turn < kTurns && !changes.empty(); ++turn) {
    const auto done = change_untouched(changes);
    if (!done) return done.error();
    if (*done) return {};
    if (changes.size() > 1) {
      MILLRACE_TRY(change_some(changes.first(changes.size() / 2)));
      return change_some(changes.subspan(changes.size() / 2));
    }
  }
  return {};
}

/// False: a key was touched meanwhile, and nothing was done.
Result<bool> EntryChanger::change_untouched(std::span<EntryChange> changes) {
  const std::size_t node = servers_.node_of(changes.front().place.key);
  std::string& out = servers_.client(node).out();
  const auto unchanged = watch(changes, node);
  if (!unchanged) return unchanged.error();
  if (unchanged->empty()) {
    const auto unwatched = servers_.call(node, {"UNWATCH"});
    if (!unwatched) return unwatched.error();
    return true;
  }
  append_command(out, {"MULTI"});
  std::vector<std::size_t> commands;
  std::size_t queued = 0;
  for (const EntryChange* one : *unchanged) queued += commands.emplace_back(one->write(out));
  append_command(out, {"EXEC"});
  auto replies = take(node, queued + 2);
  if (!replies) return std::move(replies).error();
  const Reply& done = replies->back();
  if (done.kind == Reply::Kind::kNull) return false;
  if (done.is_error()) return reply_error("a repair", done.text);
  if (done.elements.size() != queued)
    return reconnect_error("Redis answered a transaction with another number of replies than of commands");
  std::span<const Reply> rest = done.elements;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    MILLRACE_TRY(take_change(*(*unchanged)[i], rest.first(commands[i])));
    rest = rest.subspan(commands[i]);
  }
  return true;
}

/// Watches all keys; answers the changes whose entries still are as they were.
Result<std::vector<EntryChange*>> EntryChanger::watch(std::span<EntryChange> changes, std::size_t node) {
  std::string& commands = servers_.client(node).out();
  std::vector<EntryQuestion> questions;
  for (const EntryChange& one : changes) {
    const std::string& key = one.place.key;
    if (one.target->nest) {
      append_command(commands, {"WATCH", key, one.target->waiting_key(key)});
    } else {
      append_command(commands, {"WATCH", key});
    }
    questions.push_back({*one.target, one.place, one.wanted ? &*one.wanted : nullptr, one.plan});
  }
  const auto watched = take(node, changes.size());
  if (!watched) return watched.error();
  const auto found = read_entries(questions, [&](const std::vector<KeyCommand>& asked) {
    for (const KeyCommand& one : asked) append_command(commands, one.words);
    return take(node, asked.size());
  });
  if (!found) return found.error();
  std::vector<EntryChange*> out;
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if ((*found)[i].fingerprint() == changes[i].found) out.push_back(&changes[i]);
  }
  return out;
}

/// Sends what was appended for one server and takes its replies.
Result<std::vector<Reply>> EntryChanger::take(std::size_t node, std::size_t replies) {
  Client& client = servers_.client(node);
  client.expect(replies);
  std::vector<Reply> out;
  while (out.size() < replies) {
    Reply reply;
    auto found = client.next(reply);
    if (!found) return servers_.at_node(node, std::move(found).error());
    if (*found) {
      if (servers_.is_cluster() && reply.is_error() && parse_redirection(bare_error(reply.text))) {
        return servers_.at_node(node, retry_error("a row to be mended is in a slot that is being moved",
                                                  "run it again when the slot has moved"));
      }
      out.push_back(std::move(reply));
      continue;
    }
    if (context_.stop.stop_requested()) return retry_error("stopped");
    MILLRACE_TRY(client.exchange(context_.clock.now_us() + kStepUs));
  }
  return out;
}

}  // namespace millrace::redis
