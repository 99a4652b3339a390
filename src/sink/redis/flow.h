#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "connect/log_position.h"
#include "connect/sink.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/pipeline.h"

namespace millrace::redis {

/// What is in flight to a sink's servers, a pipeline each, and what their replies settle together. Every
/// pipeline must be told each position that is to be settled (Group::after): it is, once all of them have got
/// there. One thread; servers and clock outlive it.
class Flow {
 public:
  /// `known`: by server, whether it has a position; `written`: that position.
  Flow(Servers& servers, Clock& clock, std::stop_token stop, const LogPosition& written,
       const std::vector<bool>& known);

  [[nodiscard]] std::size_t size() const { return pipelines_.size(); }
  [[nodiscard]] std::string& out(std::size_t node) { return servers_.client(node).out(); }
  [[nodiscard]] Pipeline& pipeline(std::size_t node) { return *pipelines_[node]; }
  [[nodiscard]] const Pipeline& pipeline(std::size_t node) const { return *pipelines_[node]; }

  /// `group`'s commands are what is in out(node) from `start` on, with `replies` to come.
  void push(std::size_t node, Group group, std::size_t start, std::size_t replies);
  /// Reads the replies that have come. An error ends the flow: nothing after it counts.
  [[nodiscard]] Status take_replies();
  /// What was settled since the last call: a position if it moved, and the rejects up to it.
  [[nodiscard]] std::optional<LogPosition> take_settled(std::vector<Rejected>& rejected);
  /// The last position settled, whether taken or not.
  [[nodiscard]] const LogPosition& settled() const { return settled_; }

  [[nodiscard]] bool idle() const;
  /// See Pipeline::has_any_of.
  [[nodiscard]] bool has_any_of(const std::unordered_set<std::size_t>& hashes) const;
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] bool position_lost() const;
  /// See Pipeline::refused.
  [[nodiscard]] bool refused() const;

  /// See Pipeline::guarded.
  [[nodiscard]] GuardCount guarded() const;

  /// Waits while more than `bytes` are in flight; not once a stop has been asked for.
  [[nodiscard]] Status keep_below(std::size_t bytes);
  /// Waits until nothing is in flight.
  [[nodiscard]] Status drain();

 private:
  void settle();

  Servers& servers_;
  Clock& clock_;
  std::stop_token stop_;
  std::vector<std::unique_ptr<Pipeline>> pipelines_;
  LogPosition settled_;
  bool moved_ = false;
  std::vector<Rejected> rejected_;
};

}  // namespace millrace::redis
