#include "sink/redis/delivery.h"

#include <span>
#include <utility>

namespace millrace::redis {
namespace {

constexpr std::size_t kMaxGroupBytes = 256U << 10U;
constexpr std::int64_t kPositionEveryUs = 1'000'000;
constexpr std::int64_t kLastWordUs = 100'000;

}  // namespace

Delivery::Delivery(Servers& servers, const PositionStore& store, const Settings& settings,
                   TaskContext& context, const PositionStore::Found& found)
    : servers_(servers),
      store_(store),
      settings_(settings),
      context_(context),
      applied_(found.start),
      flow_(servers, context.clock, context.stop, found.start, found.known),
      gathered_(servers.size()) {
  for (Gathered& one : gathered_) one.begun = found.begun;
}

Status Delivery::add(Lane& lane, const std::shared_ptr<const Overlay>& overlay, const LogPosition& after,
                     std::vector<Rejected>& rejected) {
  for (const Overlay::Entry& entry : overlay->entries) {
    if (entry.action == Overlay::Action::kNothing) continue;
    const std::size_t node = servers_.node_of(overlay->key(entry));
    Gathered& to = gathered_[node];
    std::string& out = flow_.out(node);
    const bool full = to.group.entries.size() >= settings_.batch_commands ||
                      out.size() - to.start >= kMaxGroupBytes || to.group.overlay != overlay;
    if (!to.group.entries.empty() && full) MILLRACE_TRY(send_gathered(node));
    if (to.group.entries.empty()) begin_writes(node, after);
    to.group.overlay = overlay;
    to.group.parked = &lane.parked();
    const std::size_t known = rejected.size();
    const std::uint32_t commands = lane.writer().append(out, *overlay, entry, rejected);
    const auto index = static_cast<std::uint32_t>(&entry - overlay->entries.data());
    if (rejected.size() > known) {
      lane.parked().add(std::span(rejected).subspan(known));
      to.group.unfinished.push_back(index);
    }
    to.group.entries.insert(to.group.entries.end(), commands, index);
    if (to.group.entries.empty()) out.resize(to.start);
  }
  return {};
}

Status Delivery::finish(const LogPosition& after, std::vector<Rejected> rejected) {
  gathered_.front().group.rejected = std::move(rejected);
  for (std::size_t i = 0; i < gathered_.size(); ++i) MILLRACE_TRY(send_last(i, after));
  MILLRACE_TRY(servers_.send());
  return flow_.keep_below(settings_.in_flight_bytes);
}

void Delivery::begin_writes(std::size_t node, const LogPosition& after) {
  Gathered& to = gathered_[node];
  const bool first = !std::exchange(to.writes, true);
  if (servers_.is_cluster() && first) {
    to.begun = furthest(to.begun, after);
    send_position(node);
  }
  to.start = flow_.out(node).size();
  if (!servers_.is_cluster()) append_command(flow_.out(node), {"MULTI"});
}

Status Delivery::send_gathered(std::size_t node) {
  Gathered& from = gathered_[node];
  Group group = std::exchange(from.group, {});
  std::size_t replies = 0;
  if (!group.entries.empty()) {
    const bool cluster = servers_.is_cluster();
    group.kind = cluster ? Group::Kind::kPlain : Group::Kind::kWrites;
    if (!cluster) append_command(flow_.out(node), {"EXEC"});
    replies = group.queued() + (cluster ? 0 : 2);
  }
  const bool sends = replies > 0;
  const bool waits = from.writes && settings_.wait_replicas > 0 && group.after;
  std::optional<Group> wait;
  if (waits) wait = wait_for_replicas(group);
  flow_.push(node, std::move(group), sends ? from.start : flow_.out(node).size(), replies);
  if (wait) {
    const std::size_t start = flow_.out(node).size();
    append_command(flow_.out(node), {"WAIT", std::to_string(settings_.wait_replicas),
                                     std::to_string(settings_.wait_timeout_ms)});
    flow_.push(node, std::move(*wait), start, 1);
  }
  if (!sends) return {};
  if (Status sent = servers_.client(node).send(); !sent)
    return servers_.at_node(node, std::move(sent).error());
  MILLRACE_TRY(context_.failpoints.pass("redis.after_write"));
  return flow_.keep_below(settings_.in_flight_bytes);
}

/// On a single server with the position behind the rows, in one step.
Status Delivery::send_last(std::size_t node, const LogPosition& after) {
  Group& group = gathered_[node].group;
  group.after = after;
  if (!group.entries.empty() && !servers_.is_cluster()) group.position = append_position(node, after);
  Status sent = send_gathered(node);
  gathered_[node].writes = false;
  return sent;
}

/// What `group` settles is settled by its replicas' word instead.
Group Delivery::wait_for_replicas(Group& group) const {
  Group wait;
  wait.kind = Group::Kind::kCommand;
  wait.after = std::exchange(group.after, std::nullopt);
  wait.on_reply = [wanted = settings_.wait_replicas](const Reply& reply) {
    return check_replicas(reply, wanted);
  };
  return wait;
}

Status Delivery::send_move(Lane& lane, Overlay move, const std::string& from, const LogPosition& after,
                           bool settles, std::vector<Rejected> rejected) {
  const auto overlay = std::make_shared<const Overlay>(std::move(move));
  Gathered& to = gathered_.front();
  to.group.overlay = overlay;
  to.group.parked = &lane.parked();
  if (settles) to.group.after = after;
  if (!overlay->empty()) {
    begin_writes(0, after);
    const LogPosition position = furthest(applied_, after);
    const Move step{from, store_.command(0, position, position)};
    const std::size_t known = rejected.size();
    const std::uint32_t commands = lane.writer().append_move(flow_.out(0), *overlay, step, rejected);
    lane.parked().add(std::span(rejected).subspan(known));
    to.group.entries.assign(commands, 0);
    if (commands == 0) {
      flow_.out(0).resize(to.start);
    } else {
      to.group.position = position;
      to.group.position_in_script = true;
    }
  }
  to.group.rejected = std::move(rejected);
  MILLRACE_TRY(send_gathered(0));
  to.writes = false;
  return flow_.drain();
}

void Delivery::send_command(std::size_t node, const std::vector<std::string>& command,
                            std::function<Status(const Reply&)> on_reply) {
  const std::size_t start = flow_.out(node).size();
  append_command(flow_.out(node), command);
  Group group;
  group.kind = Group::Kind::kCommand;
  group.on_reply = std::move(on_reply);
  if (!group.on_reply) {
    group.on_reply = [name = command.front()](const Reply& reply) {
      return reply.is_error() ? Status(reply_error(name, reply.text)) : Status();
    };
  }
  flow_.push(node, std::move(group), start, 1);
}

/// Answers what it has written.
LogPosition Delivery::append_position(std::size_t node, const LogPosition& position) {
  LogPosition written = furthest(applied_, position);
  append_command(flow_.out(node), store_.command(node, written, gathered_[node].begun));
  gathered_[node].position_at_us = context_.clock.now_us();
  return written;
}

void Delivery::send_position(std::size_t node) {
  const std::size_t start = flow_.out(node).size();
  Group group;
  group.kind = Group::Kind::kCommand;
  group.position = append_position(node, settled());
  flow_.push(node, std::move(group), start, 1);
}

Status Delivery::settle_positions() {
  for (std::size_t i = 0; i < gathered_.size(); ++i) {
    gathered_[i].begun = furthest(gathered_[i].begun, settled());
    send_position(i);
  }
  return flow_.drain();
}

void Delivery::keep_positions() {
  for (std::size_t i = 0; i < gathered_.size(); ++i) keep_position(i);
}

void Delivery::keep_position(std::size_t node) {
  Pipeline& pipeline = flow_.pipeline(node);
  std::int64_t& position_at_us = gathered_[node].position_at_us;
  if (!pipeline.idle() || context_.clock.now_us() - position_at_us < kPositionEveryUs) return;
  if (settled() != pipeline.written()) return send_position(node);
  if (!pipeline.position_known()) return;
  position_at_us = context_.clock.now_us();
  send_command(node, {"HMGET", store_.key(node), "position"}, [&pipeline](const Reply& reply) {
    const bool lost =
        reply.is_array() && reply.elements.size() == 1 && reply.elements.front().kind == Reply::Kind::kNull;
    return lost ? Status(pipeline.lose_position()) : Status();
  });
}

bool Delivery::leave_positions(bool while_held) {
  if (flow_.idle() && !while_held) {
    for (std::size_t i = 0; i < gathered_.size(); ++i) {
      if (settled() != flow_.pipeline(i).written()) send_position(i);
    }
    const std::int64_t until_us = context_.clock.now_us() + kLastWordUs;
    while (!flow_.idle() && context_.clock.now_us() < until_us) {
      if (!servers_.exchange(until_us) || !flow_.take_replies()) break;
    }
  }
  if (!flow_.position_lost()) return true;
  for (std::size_t i = 0; i < gathered_.size(); ++i) {
    append_command(servers_.client(i).out(), {"UNLINK", store_.key(i)});
    servers_.client(i).expect(1);
  }
  static_cast<void>(servers_.exchange(context_.clock.now_us() + kLastWordUs));
  return false;
}

}  // namespace millrace::redis
