#include "runtime/source_task.h"

#include <utility>

namespace millrace {

SourceTask::SourceTask(const TaskSettings& settings, std::unique_ptr<Source> source,
                       const MemoryShares& shares)
    : settings_(settings),
      metrics_(settings.metrics, settings.name),
      link_(shares.source_queue_bytes),
      reader_(settings, std::move(source), link_, board_, metrics_, stop_.get_token()),
      writer_(settings, link_, trouble_, metrics_, stop_.get_token()) {}

void SourceTask::request_stop() {
  stop_.request_stop();
  link_.reader_waker().wake();
  link_.writer_waker().wake();
}

ConnectorStatus SourceTask::status(std::int64_t now_us) const {
  ConnectorStatus status = board_.read();
  status.name = settings_.name;
  status.kind = settings_.kind;
  status.is_source = true;
  status.rows = metrics_.rows_logged.value();
  status.errors = metrics_.errors.value();
  if (const std::optional<Error> trouble = trouble_.read()) {
    // What the log says weighs more than what the source says: nothing moves until that is mended.
    if (status.state != ConnectorState::kFailed) {
      status.state = link_.writer_done() ? ConnectorState::kFailed : ConnectorState::kWaiting;
      status.message = trouble->message;
      status.hint = trouble->hint;
    }
    return status;
  }
  if (status.state == ConnectorState::kFailed || status.state == ConnectorState::kStopped) return status;
  const std::int64_t limit_us = settings_.options.stuck_after_ms * 1000;
  if (reader_.heartbeat().stale(now_us, limit_us) || writer_.heartbeat().stale(now_us, limit_us)) {
    status.state = ConnectorState::kStuck;
    status.message = "neither moved nor had proof of being idle for " +
                     std::to_string(settings_.options.stuck_after_ms / 1000) + " s";
    status.hint = "look at the source's server and at the disk of the log; it goes on by itself once it can";
  }
  return status;
}

}  // namespace millrace
