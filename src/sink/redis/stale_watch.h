#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "connect/task_context.h"
#include "sink/redis/pipeline.h"

namespace millrace::redis {

/// Tells how many writes a guard has left out. With several writers that is as it should be for whichever is
/// behind; but all that a new log writes is older than what an earlier log has left, until the epoch is
/// raised.
class StaleWatch {
 public:
  explicit StaleWatch(TaskContext& context);

  /// `now`: of the connection at hand, all told.
  void step(const GuardCount& now);
  /// One when most writes were left out.
  [[nodiscard]] std::vector<std::string> warnings() const;

 private:
  Counter& left_out_;
  GuardCount seen_;
};

}  // namespace millrace::redis
