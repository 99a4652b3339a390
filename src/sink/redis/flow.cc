#include "sink/redis/flow.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::redis {
namespace {

constexpr std::int64_t kStepUs = 100'000;

}  // namespace

Flow::Flow(Servers& servers, Clock& clock, std::stop_token stop, const LogPosition& written,
           const std::vector<bool>& known)
    : servers_(servers), clock_(clock), stop_(std::move(stop)), settled_(written) {
  for (std::size_t i = 0; i < servers.size(); ++i) {
    Pipeline::Follow follow;
    if (servers.is_cluster()) {
      follow = [&servers, i](Reply reply, std::string_view command) {
        return servers.follow(i, std::move(reply), command);
      };
    }
    pipelines_.push_back(std::make_unique<Pipeline>(servers.client(i), known[i] ? written : LogPosition(),
                                                    known[i], std::move(follow)));
  }
}

void Flow::push(std::size_t node, Group group, std::size_t start, std::size_t replies) {
  const std::string& commands = out(node);
  group.bytes = commands.size() - start;
  if (servers_.is_cluster()) group.commands = commands.substr(start);
  servers_.client(node).expect(replies);
  pipelines_[node]->push(std::move(group));
  settle();
}

/// Each pipeline is told the same positions in the same order, so their first ones belong together.
void Flow::settle() {
  const auto has_done = [](const auto& pipeline) { return !pipeline->done().empty(); };
  while (std::ranges::all_of(pipelines_, has_done)) {
    settled_ = std::move(pipelines_.front()->done().front().after);
    moved_ = true;
    for (const auto& pipeline : pipelines_) {
      std::vector<Rejected>& rejected = pipeline->done().front().rejected;
      rejected_.insert(rejected_.end(), std::make_move_iterator(rejected.begin()),
                       std::make_move_iterator(rejected.end()));
      pipeline->done().pop_front();
    }
  }
}

Status Flow::take_replies() {
  for (std::size_t i = 0; i < size(); ++i) {
    Status taken = pipelines_[i]->take_replies();
    if (!taken) return servers_.at_node(i, std::move(taken).error());
  }
  settle();
  return {};
}

std::optional<LogPosition> Flow::take_settled(std::vector<Rejected>& rejected) {
  rejected.insert(rejected.end(), std::make_move_iterator(rejected_.begin()),
                  std::make_move_iterator(rejected_.end()));
  rejected_.clear();
  return std::exchange(moved_, false) ? std::optional(settled_) : std::nullopt;
}

bool Flow::idle() const {
  return std::ranges::all_of(pipelines_, [](const auto& pipeline) { return pipeline->idle(); });
}

bool Flow::position_lost() const {
  return std::ranges::any_of(pipelines_, [](const auto& pipeline) { return pipeline->position_lost(); });
}

bool Flow::refused() const {
  return std::ranges::any_of(pipelines_, [](const auto& pipeline) { return pipeline->refused(); });
}

GuardCount Flow::guarded() const {
  GuardCount out;
  for (const auto& pipeline : pipelines_) {
    out.writes += pipeline->guarded().writes;
    out.stale += pipeline->guarded().stale;
  }
  return out;
}

bool Flow::has_any_of(const std::unordered_set<std::size_t>& hashes) const {
  return std::ranges::any_of(pipelines_, [&](const auto& pipeline) { return pipeline->has_any_of(hashes); });
}

std::size_t Flow::bytes() const {
  std::size_t out = 0;
  for (const auto& pipeline : pipelines_) out += pipeline->bytes();
  return out;
}

Status Flow::keep_below(std::size_t bytes_wanted) {
  while (bytes() > bytes_wanted && !stop_.stop_requested()) {
    MILLRACE_TRY(servers_.exchange(clock_.now_us() + kStepUs));
    MILLRACE_TRY(take_replies());
  }
  return {};
}

Status Flow::drain() {
  for (;;) {
    MILLRACE_TRY(take_replies());
    if (idle()) return {};
    if (stop_.stop_requested()) return retry_error("stopping while Redis had not answered yet");
    MILLRACE_TRY(servers_.exchange(clock_.now_us() + kStepUs));
  }
}

}  // namespace millrace::redis
