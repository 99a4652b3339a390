#include "sink/redis/pipeline.h"

#include <iterator>
#include <utility>

#include "sink/redis/scripts.h"

namespace millrace::redis {

std::string reject_sentence(std::string_view error) {
  if (error.find(kAbsentReply) != std::string_view::npos) {  // Redis 7 puts ERR in front
    return "the change keeps values that the source did not send, and Redis has no document to keep them "
           "from; "
           "ALTER TABLE ... REPLICA IDENTITY FULL makes the source send them";
  }
  error = bare_error(error);
  if (error.find("WRONGTYPE") != std::string_view::npos ||
      error.find("wrong Redis type") != std::string_view::npos) {
    return "a key of another type is in the way; remove or rename it, or change target.key";
  }
  if (error.find("recursion limit") != std::string_view::npos)
    return "its JSON is nested deeper than Redis takes";
  if (error.find(" at line ") != std::string_view::npos) {
    return "Redis does not take it as JSON: " + std::string(error.substr(0, 120));
  }
  return "Redis refused it: error " + std::string(error.substr(0, error.find(' ')).substr(0, 40));
}

void Pipeline::push(Group group) {
  bytes_ += group.bytes;
  groups_.push_back(std::move(group));
  finish_front();
}

/// Groups without replies are complete as soon as they are first.
void Pipeline::finish_front() {
  while (!groups_.empty()) {
    Group& front = groups_.front();
    const bool complete = front.kind == Group::Kind::kNothing;
    if (!complete) return;
    bytes_ -= front.bytes;
    rejected_.insert(rejected_.end(), std::make_move_iterator(front.rejected.begin()),
                     std::make_move_iterator(front.rejected.end()));
    if (front.after) settled_ = std::move(front.after);
    groups_.pop_front();
  }
}

Status Pipeline::take_exec(Group& group, const Reply& reply) {
  if (reply.is_error() || !group.refused.empty()) {
    const std::string& text = group.refused.empty() ? reply.text : group.refused;
    return reply_error("a group of writes", text);
  }
  const std::size_t commands = group.entries.size();
  if (!reply.is_array() || reply.elements.size() != commands + (group.has_position ? 1 : 0)) {
    return reconnect_error("Redis answered EXEC with something else than its replies");
  }
  std::uint32_t last_rejected = UINT32_MAX;
  for (std::size_t i = 0; i < reply.elements.size(); ++i) {
    const Reply& element = reply.elements[i];
    if (!element.is_error()) continue;
    if (next_of_error(element.text) != Next::kReject) return reply_error("a write", element.text);
    if (i == commands) {
      return stop_error(
          "the position cannot be written: its key in Redis is of another type",
          "look at the keys that begin with millrace:position: and remove the one that is no hash");
    }
    if (group.entries[i] == last_rejected) continue;
    last_rejected = group.entries[i];
    group.overlay->reject(group.overlay->entries[last_rejected], reject_sentence(element.text),
                          group.rejected);
  }
  return {};
}

Status Pipeline::take(Group& group, const Reply& reply, bool& complete) {
  complete = true;
  if (group.kind == Group::Kind::kCommand) return group.on_reply ? group.on_reply(reply) : Status();
  const std::size_t queued = group.entries.size() + (group.has_position ? 1 : 0);
  const std::size_t seen = group.replies++;
  if (seen == queued + 1) return take_exec(group, reply);
  complete = false;
  if (reply.is_error() && group.refused.empty()) group.refused = reply.text;
  return {};
}

Status Pipeline::take_replies() {
  Reply reply;
  for (;;) {
    auto found = client_.next(reply);
    if (!found) return std::move(found).error();
    if (!*found) return {};
    MILLRACE_CHECK(!groups_.empty());
    Group& front = groups_.front();
    bool complete = false;
    MILLRACE_TRY(take(front, reply, complete));
    if (!complete) continue;
    front.kind = Group::Kind::kNothing;
    finish_front();
  }
}

std::optional<LogPosition> Pipeline::take_settled(std::vector<Rejected>& rejected) {
  rejected.insert(rejected.end(), std::make_move_iterator(rejected_.begin()),
                  std::make_move_iterator(rejected_.end()));
  rejected_.clear();
  return std::exchange(settled_, std::nullopt);
}

}  // namespace millrace::redis
