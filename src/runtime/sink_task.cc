#include "runtime/sink_task.h"

#include <utility>

namespace millrace {

SinkTask::SinkTask(const TaskSettings& settings, std::unique_ptr<Sink> sink, TopicFilter wants,
                   const MemoryShares& shares)
    : settings_(settings),
      metrics_(settings.metrics, settings.name),
      stage_(settings_, std::move(sink), std::move(wants), board_, metrics_, stop_.get_token()) {
  set_memory(shares);
}

void SinkTask::request_stop() {
  stop_.request_stop();
  stage_.waker().wake();
  settings_.log.wake();
}

ConnectorStatus SinkTask::status(std::int64_t now_us) const {
  ConnectorStatus status = board_.read();
  status.name = settings_.name;
  status.kind = settings_.kind;
  status.is_source = false;
  status.rows = metrics_.rows_applied.value();
  status.errors = metrics_.errors.value();
  if (status.state == ConnectorState::kFailed || status.state == ConnectorState::kStopped) return status;
  if (stage_.heartbeat().stale(now_us, settings_.options.stuck_after_ms * 1000)) {
    status.state = ConnectorState::kStuck;
    status.message = "neither moved nor had proof of being idle for " +
                     std::to_string(settings_.options.stuck_after_ms / 1000) + " s";
    status.hint = "look at the target: it has taken rows and not answered; it goes on by itself once it does";
  }
  return status;
}

}  // namespace millrace
