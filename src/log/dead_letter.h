#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "connect/sink.h"
#include "event/batch.h"

namespace millrace {

/// What has become of a parked row. The numbers are on the disk: append only.
enum class LetterState : std::uint8_t {
  kParked = 0,
  kFailed = 1,      ///< sent again and rejected again, with the error it has now
  kDone = 2,        ///< sent again and taken
  kDropped = 3,     ///< given up by the operator
  kSuperseded = 4,  ///< its key has a later state: it was not sent again
};
/// Still to be dealt with.
[[nodiscard]] constexpr bool is_open(LetterState state) { return state <= LetterState::kFailed; }
/// `parked`, `failed`, `done`, `dropped`, `superseded`.
[[nodiscard]] std::string_view letter_state_name(LetterState state);

/// Where the row itself is.
enum class LetterRow : std::uint8_t {
  kInLog = 0,     ///< only in the log, as long as that has it: parked by a version that kept no copy
  kCopied = 1,    ///< with the letter
  kTooLarge = 2,  ///< only in the log: larger than kMaxLetterRowBytes
  kNoRoom = 3,    ///< only in the log: the sink's letters hold kMaxLetterBytes already
  kGone = 4,      ///< it could not be read any more when it was parked
};
/// `in log`, `copied`, `too large`, `no room`, `gone`.
[[nodiscard]] std::string_view letter_row_name(LetterRow row);

inline constexpr std::size_t kMaxLetterRowBytes = 1U << 20U;
inline constexpr std::size_t kMaxLetterBytes = 256U << 20U;  ///< copies of a sink together
inline constexpr std::size_t kMaxLetterEvents = 20;          ///< of a letter; the last ones are kept

/// What was done with a letter, once.
struct LetterEvent {
  enum class What : std::uint8_t { kParked = 0, kReplay = 1, kDrop = 2, kOvertaken = 3 };
  std::int64_t at_us = 0;  ///< wall clock
  What what = What::kParked;
  LetterState state = LetterState::kParked;  ///< after it
  std::string by;                            ///< the interface it was asked over; empty: the sink itself
  std::string note;                          ///< the error, or why nothing was sent; without cell values
  std::string edited;                        ///< names of the columns that were edited, with commas
};
/// `parked`, `replay`, `drop`, `overtaken`.
[[nodiscard]] std::string_view letter_event_name(LetterEvent::What what);

/// A row that the target did not take. `rejected` names its place in the log and the error it has now.
struct DeadLetter {
  std::uint64_t id = 0;
  std::int64_t at_us = 0;  ///< wall clock when it was parked
  Rejected rejected;
  LetterState state = LetterState::kParked;
  std::int64_t changed_us = 0;   ///< wall clock of its last event
  std::uint32_t sent_again = 0;  ///< times, whatever came of it
  LetterRow row = LetterRow::kInLog;
  std::uint32_t row_bytes = 0;  ///< of the copy on the disk
  std::string commit{};         ///< the source's position of its transaction; empty: not known
  std::uint32_t index = 0;      ///< within the transaction
  std::vector<LetterEvent> history{};
};

/// Sets state and time and puts `event` into the history.
void add_event(DeadLetter& letter, LetterEvent event);

/// An error with what tells rows apart taken out: numbers become `N`, what stands in quotes `'...'`. Letters
/// that differ only in that are of one group.
[[nodiscard]] std::string error_form(std::string_view error);

/// Which letters are meant; all that is set must fit. Nothing set: all that are open.
struct LetterFilter {
  std::vector<std::uint64_t> ids{};  ///< ascending; those are meant whatever their state
  std::string error{};               ///< its form is part of the letter's
  std::string topic{};
  std::string output{};
  std::vector<LetterState> states{};  ///< none: the open ones, or any when ids are given

  [[nodiscard]] bool matches(const DeadLetter& letter) const;
};

/// A letter's row where it can be read.
struct LetterImage {
  BatchPtr batch;  ///< null: neither copied nor in the log any more
  std::uint32_t row = 0;
};

struct LetterCounts {
  std::uint64_t open = 0;
  std::uint64_t ever = 0;  ///< parked since the sink is known
};

}  // namespace millrace
