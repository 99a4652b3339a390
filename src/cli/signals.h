#pragma once

#include <cstdint>

namespace millrace {

/// Holds SIGINT and SIGTERM back from every thread made after it, so that one place can wait for them. To be
/// made before any thread. One thread.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// True when one came within `wait_ms`. From then on a further one ends the process at once.
  [[nodiscard]] bool wait(std::int64_t wait_ms);

 private:
  void let_through();
};

}  // namespace millrace
