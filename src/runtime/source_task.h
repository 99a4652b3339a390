#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "connect/source.h"
#include "runtime/source_link.h"
#include "runtime/source_reader.h"
#include "runtime/source_writer.h"
#include "runtime/task.h"
#include "runtime/task_metrics.h"

namespace millrace {

/// A source connector at work: a reader and a writer with a queue bounded in bytes between them.
class SourceTask final : public Task {
 public:
  SourceTask(const TaskSettings& settings, std::unique_ptr<Source> source, const MemoryShares& shares);

  [[nodiscard]] std::vector<Stage*> stages() override { return {&reader_, &writer_}; }
  void request_stop() override;
  void set_memory(const MemoryShares& shares) override { link_.set_queue_bytes(shares.source_queue_bytes); }
  [[nodiscard]] ConnectorStatus status(std::int64_t now_us) const override;

 private:
  const TaskSettings settings_;
  std::stop_source stop_;
  SourceMetrics metrics_;
  StatusBoard board_;
  WriterTrouble trouble_;
  SourceLink link_;
  SourceReader reader_;
  SourceWriter writer_;
};

}  // namespace millrace
