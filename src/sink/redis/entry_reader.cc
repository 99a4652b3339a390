#include "sink/redis/entry_reader.h"

#include <utility>

#include "sink/redis/target/nest.h"

namespace millrace::redis {
namespace {

/// Whether an object lies where JSON.TYPE was asked: what rows can lie in.
bool is_object(const Reply& reply) {
  return !reply.is_error() && !reply.elements.empty() && reply.elements.front().text == "object";
}

/// The same as JSON.GET would have answered.
Reply as_found(const Reply& waiting) {
  Reply out = waiting;
  out.text = "[" + waiting.text + "]";
  return out;
}

/// Looks for those rows that lie in no document.
Status read_waiting(std::span<const EntryQuestion> questions, const AskKeys& ask, std::vector<Content>& out) {
  std::vector<std::size_t> missed;
  std::vector<KeyCommand> commands;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const EntryQuestion& one = questions[i];
    if (!one.target.nest || out[i].there) continue;
    missed.push_back(i);
    const std::string waiting = one.target.waiting_key(one.place.key);
    const std::string parent(nest_place(one.place.member).parent);
    commands.push_back({waiting, {"HGET", waiting, one.place.member}});
    commands.push_back({one.place.key, {"JSON.TYPE", one.place.key, parent}});
  }
  if (commands.empty()) return {};
  const auto replies = ask(commands);
  if (!replies) return replies.error();
  for (std::size_t i = 0; i < missed.size(); ++i) {
    const Reply& waiting = (*replies)[2 * i];
    if (waiting.kind != Reply::Kind::kBulk || is_object((*replies)[2 * i + 1])) continue;
    const EntryQuestion& one = questions[missed[i]];
    out[missed[i]] = found_content(one.target, as_found(waiting), one.wanted);
  }
  return {};
}

}  // namespace

AskKeys ask_servers(Servers& servers) {
  return [&servers](const std::vector<KeyCommand>& commands) {
    for (const KeyCommand& one : commands) servers.put(servers.node_of(one.key), one.words);
    return servers.take();
  };
}

Result<std::vector<Content>> read_entries(std::span<const EntryQuestion> questions, const AskKeys& ask) {
  std::vector<KeyCommand> commands;
  commands.reserve(questions.size());
  for (const EntryQuestion& one : questions)
    commands.push_back({one.place.key, read_command(one.target, one.place.key, one.place.member)});
  const auto replies = ask(commands);
  if (!replies) return replies.error();
  std::vector<Content> out;
  out.reserve(questions.size());
  for (std::size_t i = 0; i < questions.size(); ++i)
    out.push_back(found_content(questions[i].target, (*replies)[i], questions[i].wanted));
  for (std::size_t i = 0; i < questions.size(); ++i) {
    if (questions[i].plan != nullptr && questions[i].target.merge)
      keep_members_of_row(out[i], *questions[i].plan);
  }
  MILLRACE_TRY(read_waiting(questions, ask, out));
  return out;
}

}  // namespace millrace::redis
