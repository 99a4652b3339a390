#include "runtime/letter_desk.h"

#include <algorithm>
#include <array>
#include <utility>

namespace millrace {

using State = LetterOperation::State;

std::string_view operation_state_name(State state) {
  static constexpr std::array<std::string_view, 4> kNames = {"queued", "running", "finished", "stopped"};
  return kNames.at(static_cast<std::size_t>(state));
}

std::string_view letter_action_name(LetterRequest::Action action) {
  return action == LetterRequest::Action::kReplay ? "replay" : "drop";
}

Result<std::uint64_t> LetterDesk::submit(LetterRequest request) {
  const std::lock_guard lock(mutex_);
  if (queue_.size() >= kMaxQueued) {
    return retry_error("too many operations on dead letters wait already", "wait until some have ended");
  }
  LetterOperation operation;
  operation.id = next_id_++;
  operation.action = request.action;
  operation.asked_us = clock_.wall_us();
  if (operations_.size() >= kMaxQueued + kMaxEnded) operations_.pop_front();
  operations_.push_back(std::move(operation));
  queue_.push_back(std::move(request));
  has_queued_.store(true, std::memory_order_release);
  return operations_.back().id;
}

LetterOperation* LetterDesk::find_locked(std::uint64_t id) {
  const auto at = std::ranges::find(operations_, id, &LetterOperation::id);
  return at == operations_.end() ? nullptr : &*at;
}

std::optional<LetterOperation> LetterDesk::find(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::find(operations_, id, &LetterOperation::id);
  return at == operations_.end() ? std::nullopt : std::optional(*at);
}

std::optional<LetterDesk::Job> LetterDesk::take() {
  if (!has_queued_.load(std::memory_order_acquire)) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::find(operations_, State::kQueued, &LetterOperation::state);
  if (queue_.empty() || at == operations_.end()) return std::nullopt;
  at->state = State::kRunning;
  Job job{*at, std::move(queue_.front())};
  queue_.pop_front();
  has_queued_.store(!queue_.empty(), std::memory_order_release);
  return job;
}

void LetterDesk::report(const LetterOperation& operation) {
  const std::lock_guard lock(mutex_);
  if (LetterOperation* known = find_locked(operation.id)) *known = operation;
}

void LetterDesk::end(LetterOperation operation, State state) {
  operation.state = state;
  operation.ended_us = clock_.wall_us();
  report(operation);
}

void LetterDesk::stop_queued(const std::string& why) {
  while (std::optional<Job> job = take()) {
    job->operation.message = why;
    end(std::move(job->operation), State::kStopped);
  }
}

}  // namespace millrace
