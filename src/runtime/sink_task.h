#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "connect/sink.h"
#include "runtime/sink_stage.h"
#include "runtime/task.h"
#include "runtime/task_metrics.h"

namespace millrace {

/// A sink connector at work.
class SinkTask final : public Task {
 public:
  SinkTask(const TaskSettings& settings, std::unique_ptr<Sink> sink, TopicFilter wants,
           const MemoryShares& shares);

  [[nodiscard]] std::vector<Stage*> stages() override { return {&stage_}; }
  void request_stop() override;
  void set_memory(const MemoryShares& shares) override {
    stage_.set_in_flight_bytes(shares.sink_in_flight_bytes);
  }
  [[nodiscard]] ConnectorStatus status(std::int64_t now_us) const override;

 private:
  const TaskSettings settings_;
  std::stop_source stop_;
  SinkMetrics metrics_;
  StatusBoard board_;
  SinkStage stage_;
};

}  // namespace millrace
