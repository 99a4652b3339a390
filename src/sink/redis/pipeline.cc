#include "sink/redis/pipeline.h"

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "sink/redis/target/guard_script.h"
#include "sink/redis/target/scripts.h"
#include "sink/redis/target/stream_script.h"

namespace millrace::redis {

std::string reject_sentence(std::string_view error) {
  if (error.find(kAbsentReply) != std::string_view::npos) {  // Redis 7 puts ERR in front
    return "the change keeps values that the source did not send, and Redis has no document to keep them "
           "from; ALTER TABLE ... REPLICA IDENTITY FULL makes the source send them, and "
           "reselect.unavailable.values of the source reads them";
  }
  if (error.find(kLateReply) != std::string_view::npos)
    return "a stream takes changes in their order only: this one cannot be added any more";
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

bool Pipeline::has_any_of(const std::unordered_set<std::size_t>& hashes) const {
  return std::ranges::any_of(groups_, [&](const Group& group) {
    return std::ranges::any_of(group.entries, [&](std::uint32_t entry) {
      return hashes.contains(group.overlay->entries[entry].hash);
    });
  });
}

/// Groups without replies are complete as soon as they are first.
void Pipeline::finish_front() {
  while (!groups_.empty()) {
    Group& front = groups_.front();
    const bool complete = front.kind == Group::Kind::kNothing;
    if (!complete) return;
    bytes_ -= front.bytes;
    waiting_.insert(waiting_.end(), std::make_move_iterator(front.rejected.begin()),
                    std::make_move_iterator(front.rejected.end()));
    if (front.after) done_.push_back({std::move(*front.after), std::exchange(waiting_, {})});
    groups_.pop_front();
  }
}

Error Pipeline::lose_position() {
  position_lost_ = true;
  return reconnect_error("Redis has lost its data while we were connected to it",
                         "it is filled again with what the log still has; look for FLUSHALL, FLUSHDB, or "
                         "eviction in Redis");
}

/// `added`: how many fields of the position's hash are new.
Status Pipeline::take_position(const Group& group, const Reply& added) {
  if (position_known_ && added.as_integer() > 0) return lose_position();
  position_known_ = true;
  written_ = *group.position;
  return {};
}

/// An error of command `command` of a write: of the server, or a reject of its entry's rows.
Status Pipeline::take_error(Group& group, std::size_t command, const std::string& error) {
  if (next_of_error(error) != Next::kReject) return reply_error("a write", error);
  if (error.find(kGapReply) != std::string::npos) {
    return retry_error("entries of a stream were refused before others behind them; they are sent again");
  }
  if (command == group.entries.size()) {
    return stop_error(
        "the position cannot be written: its key in Redis is of another type",
        "look at the keys that begin with millrace:position: and remove the one that is no hash");
  }
  if (error.find(kForeignReply) != std::string::npos) {
    return stop_error("somebody else has added entries to a stream that this sink writes",
                      "give target.key another name, so that a new stream begins, or remove the stream");
  }
  if (position_known_ && error.find(kLostReply) != std::string::npos) return lose_position();
  const std::uint32_t entry = group.entries[command];
  if (std::exchange(group.last_rejected, entry) == entry) return {};  // another command of it was refused too
  const std::size_t known = group.rejected.size();
  group.overlay->reject(group.overlay->entries[entry], reject_sentence(error), group.rejected);
  group.parked->add(std::span(group.rejected).subspan(known));
  return {};
}

Status Pipeline::take_write(Group& group, std::size_t command, const Reply& reply) {
  if (reply.is_error()) return take_error(group, command, reply.text);
  if (command == group.entries.size()) return {};  // the position's
  ++guarded_.writes;
  if (reply.text == kStaleReply) ++guarded_.stale;
  const std::uint32_t entry = group.entries[command];
  const bool last = command + 1 == group.entries.size() || group.entries[command + 1] != entry;
  if (last && group.last_rejected != entry && !group.parked->empty() &&
      std::ranges::count(group.unfinished, entry) == 0)
    group.parked->applied(*group.overlay, group.overlay->entries[entry]);
  return {};
}

Status Pipeline::take_exec(Group& group, const Reply& reply) {
  if (reply.is_error() || !group.refused.empty()) {
    const std::string& text = group.refused.empty() ? reply.text : group.refused;
    return reply_error("a group of writes", text);
  }
  if (!reply.is_array() || reply.elements.size() != group.queued()) {
    return reconnect_error("Redis answered EXEC with something else than its replies");
  }
  for (std::size_t i = 0; i < reply.elements.size(); ++i)
    MILLRACE_TRY(take_write(group, i, reply.elements[i]));
  if (!group.position) return {};
  const Reply& answer = group.position_in_script ? reply.elements.front() : reply.elements.back();
  return answer.is_error() ? Status() : take_position(group, answer);
}

Status Pipeline::take_plain(Group& group, const Reply& reply, bool& complete) {
  const std::size_t command = group.replies++;
  complete = group.replies == group.entries.size();
  return take_write(group, command, reply);
}

/// In a cluster: from where the slot is by now.
Result<Reply> Pipeline::really(const Group& group, Reply reply) {
  if (!follow_ || !reply.is_error()) return reply;
  return follow_(std::move(reply), nth_command(group.commands, group.replies));
}

Status Pipeline::take(Group& group, const Reply& reply, bool& complete) {
  complete = true;
  if (group.kind == Group::Kind::kPlain) return take_plain(group, reply, complete);
  if (group.kind == Group::Kind::kCommand) {
    if (!group.position) return group.on_reply(reply);
    return reply.is_error() ? Status(reply_error("the position", reply.text)) : take_position(group, reply);
  }
  const std::size_t seen = group.replies++;
  if (seen == group.queued() + 1) return take_exec(group, reply);
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
    auto answer = really(front, std::move(reply));
    if (!answer) return std::move(answer).error();
    bool complete = false;
    if (Status taken = take(front, *answer, complete); !taken) {
      refused_ = true;
      return taken;
    }
    if (!complete) continue;
    front.kind = Group::Kind::kNothing;
    finish_front();
  }
}

}  // namespace millrace::redis
