#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

enum class StepOutcome : std::uint8_t {
  kWorked,  ///< something moved; there may be more at once
  kIdle,    ///< nothing to do now
  kDone,    ///< finished for good: not to be called again
};

/// All logic of a task sits in `step`, so that a simulator can run the stages of a whole pipeline on one
/// thread, in any order, with a hand-turned clock. In the program each stage has a thread of its own that
/// calls nothing else.
class Stage {
 public:
  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  virtual ~Stage() = default;

  /// Does one piece of work, and waits no longer than `until_us` (Clock::now_us) for one. Never throws.
  /// Errors are dealt with inside: retried, parked, or told through the task's status.
  [[nodiscard]] virtual StepOutcome step(std::int64_t until_us) = 0;
  /// For thread names and logs; at most 15 characters are shown by the system.
  [[nodiscard]] virtual std::string_view name() const = 0;
};

}  // namespace millrace
