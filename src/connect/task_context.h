#pragma once

#include <stop_token>
#include <string>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/logging.h"
#include "base/metrics.h"

namespace millrace {

/// What a connector's task gets from the outside. All references outlive the task.
struct TaskContext {
  std::string connector;  ///< the connector's name
  std::string log_id;  ///< identity of the log: a position kept in a target counts only for the log it names
  Clock& clock;
  Logger& logger;
  Metrics& metrics;
  FailPoints& failpoints;
  std::stop_token stop;  ///< asked to stop: return from anything that waits within 100 ms
};

}  // namespace millrace
