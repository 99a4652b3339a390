#include "runtime/source_writer.h"

#include <algorithm>
#include <utility>

#include "runtime/guard.h"

namespace millrace {

SourceWriter::SourceWriter(const TaskSettings& settings, SourceLink& link, WriterTrouble& trouble,
                           SourceMetrics& metrics, std::stop_token stop)
    : settings_(settings),
      name_("w:" + settings.name),
      link_(link),
      trouble_(trouble),
      metrics_(metrics),
      stop_(std::move(stop)),
      backoff_(name_) {}

StepOutcome SourceWriter::step(std::int64_t until_us) {
  if (done_) return StepOutcome::kDone;
  const std::int64_t now_us = settings_.clock.now_us();
  if (!work_) {
    const bool reader_finished = link_.reading_finished();
    work_ = link_.pop(std::max<std::int64_t>(0, until_us - now_us));
    if (!work_ && reader_finished) return finish();
    heartbeat_.beat(settings_.clock.now_us());
    if (!work_) return StepOutcome::kIdle;
  }
  if (link_.broken()) {
    work_.reset();
    link_.dropped();
    return StepOutcome::kWorked;
  }
  if (now_us < retry_at_us_ && !stop_.stop_requested()) {
    link_.writer_waker().wait(std::min(until_us, retry_at_us_) - now_us);
    return StepOutcome::kIdle;
  }
  Status appended = guard("the log's append", [this] { return append(); });
  if (!appended) return on_error(std::move(appended).error());
  if (in_trouble_) {
    in_trouble_ = false;
    trouble_.clear();
    settings_.logger.info("log takes rows again", {{"connector", settings_.name}});
  }
  backoff_.reset();
  heartbeat_.beat(settings_.clock.now_us());
  return StepOutcome::kWorked;
}

Status SourceWriter::append() {
  MILLRACE_TRY(settings_.failpoints.pass("runtime.before_append"));
  MILLRACE_TRY(settings_.log.append(work_->stream, work_->batch, work_->after, work_->state));
  if (work_->batch) count_logged(*work_->batch);
  const LogWork done = std::exchange(work_, std::nullopt).value();
  if (Status status = settings_.failpoints.pass("runtime.after_append_before_acknowledge"); !status) {
    link_.break_off(status.error());
  }
  link_.written(done.after);
  return {};
}

StepOutcome SourceWriter::on_error(Error error) {
  metrics_.errors.add(1);
  const std::int64_t now_us = settings_.clock.now_us();
  heartbeat_.beat(now_us);
  if (error.next == Next::kReconnect) {
    // It may be in the log or not: only the log's own position can tell.
    link_.break_off(std::move(error));
    return StepOutcome::kWorked;
  }
  trouble_.set(error);
  in_trouble_ = true;
  if (error.next != Next::kRetry || stop_.stop_requested()) {
    settings_.logger.error("log cannot take rows", {{"connector", settings_.name},
                                                    {"error", std::string_view(error.message)},
                                                    {"hint", std::string_view(error.hint)}});
    return finish();
  }
  const std::int64_t pause_us = backoff_.next_us();
  retry_at_us_ = now_us + pause_us;
  settings_.logger.warn("log takes no rows, will try again", {{"connector", settings_.name},
                                                              {"error", std::string_view(error.message)},
                                                              {"pause_ms", pause_us / 1000}});
  return StepOutcome::kIdle;
}

StepOutcome SourceWriter::finish() {
  done_ = true;
  heartbeat_.finish();
  link_.finish_writing();
  return StepOutcome::kDone;
}

void SourceWriter::count_logged(const Batch& batch) {
  metrics_.rows_logged.add(batch.size());
  metrics_.bytes_logged.add(batch.image_bytes());
  if (batch.received_us() <= 0) return;
  const std::int64_t took_us = settings_.clock.wall_us() - batch.received_us();
  metrics_.received_to_logged.record(std::max<std::int64_t>(0, took_us), settings_.clock.now_us(),
                                     std::max<std::uint64_t>(1, batch.transactions().size()));
}

}  // namespace millrace
