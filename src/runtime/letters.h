#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "event/batch.h"
#include "log/dead_letter.h"

namespace millrace {

/// What is to be done with parked rows of a sink.
struct LetterRequest {
  enum class Action : std::uint8_t { kReplay, kDrop };
  Action action = Action::kReplay;
  LetterFilter which{};
  BatchPtr edited{};             ///< one row, sent in place of that of the one letter named
  std::string edited_columns{};  ///< their names, with commas
  bool force = false;            ///< replay: without a look at later changes of the same key
  std::string by{};              ///< the interface, for the letters' history
};

/// A request at work. Kept in memory only; what it did is in the letters.
struct LetterOperation {
  enum class State : std::uint8_t { kQueued, kRunning, kFinished, kStopped };
  std::uint64_t id = 0;
  LetterRequest::Action action = LetterRequest::Action::kReplay;
  State state = State::kQueued;
  std::int64_t asked_us = 0;  ///< wall clock
  std::int64_t ended_us = 0;  ///< 0: not yet
  std::uint64_t matched = 0;  ///< letters found so far
  std::uint64_t done = 0;     ///< sent and taken
  std::uint64_t failed = 0;   ///< sent and rejected again
  std::uint64_t superseded = 0;
  std::uint64_t held = 0;  ///< not sent; each letter's history says why
  std::uint64_t dropped = 0;
  std::string message;  ///< why it was stopped, or what is left
};
/// `queued`, `running`, `finished`, `stopped`.
[[nodiscard]] std::string_view operation_state_name(LetterOperation::State state);
/// `replay`, `drop`.
[[nodiscard]] std::string_view letter_action_name(LetterRequest::Action action);

}  // namespace millrace
