#include "runtime/runtime.h"

namespace millrace {

std::string_view state_name(ConnectorState state, bool is_source) {
  switch (state) {
    case ConnectorState::kStarting:
      return "starting";
    case ConnectorState::kSnapshot:
      return "snapshot";
    case ConnectorState::kRunning:
      return "running";
    case ConnectorState::kWaiting:
      return is_source ? "waiting for source" : "waiting for target";
    case ConnectorState::kPaused:
      return "paused";
    case ConnectorState::kFailed:
      return "failed";
    case ConnectorState::kStuck:
      return "stuck";
    case ConnectorState::kStopped:
      return "stopped";
  }
  return "stopped";
}

}  // namespace millrace
