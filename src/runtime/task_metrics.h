#pragma once

#include <array>
#include <string>

#include "base/metrics.h"
#include "runtime/runtime.h"

namespace millrace {

/// Metrics of one source, looked up once; see docs/metrics.md. Thread-safe.
struct SourceMetrics {
  SourceMetrics(Metrics& metrics, const std::string& connector);

  Counter& rows_read;
  Counter& bytes_read;
  Counter& rows_logged;
  Counter& bytes_logged;
  Counter& snapshot_rows;
  Counter& errors;
  Histogram& commit_to_received;
  Histogram& received_to_logged;
  Gauge& queue_bytes;
  Gauge& lag_bytes;
  Gauge& lag_ms;
  Gauge& retained_bytes;
};

/// Metrics of one sink, looked up once.
struct SinkMetrics {
  SinkMetrics(Metrics& metrics, const std::string& connector);

  Counter& rows_applied;
  Counter& bytes_applied;
  Counter& errors;
  Histogram& received_to_applied;
  Gauge& queue_bytes;
  Gauge& lag_bytes;
  Gauge& lag_ms;
  Gauge& dead_letters;
  Counter& dead_letters_parked;
};

inline constexpr std::size_t kConnectorStates = 8;

/// `millrace_connector_state{connector,state}`: 1 for the state it is in, 0 for the others.
struct StateMetrics {
  StateMetrics(Metrics& metrics, const std::string& connector);
  /// `present` false: the connector is gone, all are 0.
  void show(ConnectorState state, bool present);

  std::array<Gauge*, kConnectorStates> states;
};

}  // namespace millrace
