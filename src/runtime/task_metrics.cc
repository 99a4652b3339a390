#include "runtime/task_metrics.h"

#include <cstdint>

namespace millrace {
namespace {

MetricLabels of(const std::string& connector) { return {{"connector", connector}}; }

constexpr std::string_view kErrorsHelp = "Failed calls of the connector or of the log for it";
constexpr std::string_view kQueueHelp =
    "Bytes read and not yet in the log, or handed to the sink and not yet settled";
constexpr std::string_view kLagBytesHelp =
    "Bytes the other side of the connector has and it has not; -1: not known";
constexpr std::string_view kLagMsHelp =
    "Age of the oldest row the connector has not dealt with; -1: not known";

}  // namespace

SourceMetrics::SourceMetrics(Metrics& metrics, const std::string& connector)
    : rows_read(metrics.counter("millrace_rows_read_total", "Rows read from the source", of(connector))),
      bytes_read(metrics.counter("millrace_bytes_read_total", "Bytes of batch images read", of(connector))),
      rows_logged(metrics.counter("millrace_rows_logged_total", "Rows durable in the log", of(connector))),
      bytes_logged(metrics.counter("millrace_bytes_logged_total", "Bytes of images durable in the log",
                                   of(connector))),
      snapshot_rows(
          metrics.counter("millrace_snapshot_rows_total", "Rows read by a snapshot", of(connector))),
      errors(metrics.counter("millrace_errors_total", kErrorsHelp, of(connector))),
      commit_to_received(metrics.histogram("millrace_commit_to_received_seconds",
                                           "Commit at the source until received; needs clocks in step",
                                           of(connector))),
      received_to_logged(metrics.histogram("millrace_received_to_logged_seconds",
                                           "Received until durable in the log", of(connector))),
      queue_bytes(metrics.gauge("millrace_queue_bytes", kQueueHelp, of(connector))),
      lag_bytes(metrics.gauge("millrace_lag_bytes", kLagBytesHelp, of(connector))),
      lag_ms(metrics.gauge("millrace_lag_milliseconds", kLagMsHelp, of(connector))),
      retained_bytes(
          metrics.gauge("millrace_source_retained_bytes",
                        "Bytes of its log the source's server holds back for this connector; -1: not known",
                        of(connector))) {}

SinkMetrics::SinkMetrics(Metrics& metrics, const std::string& connector)
    : rows_applied(metrics.counter("millrace_rows_applied_total",
                                   "Rows settled at the target, rejects included", of(connector))),
      bytes_applied(metrics.counter("millrace_bytes_applied_total", "Bytes of images settled at the target",
                                    of(connector))),
      errors(metrics.counter("millrace_errors_total", kErrorsHelp, of(connector))),
      received_to_applied(metrics.histogram("millrace_received_to_applied_seconds",
                                            "Received from the source until settled at the target",
                                            of(connector))),
      queue_bytes(metrics.gauge("millrace_queue_bytes", kQueueHelp, of(connector))),
      lag_bytes(metrics.gauge("millrace_lag_bytes", kLagBytesHelp, of(connector))),
      lag_ms(metrics.gauge("millrace_lag_milliseconds", kLagMsHelp, of(connector))),
      dead_letters(metrics.gauge("millrace_dead_letters", "Rejected rows that have not been dealt with",
                                 of(connector))),
      dead_letters_parked(metrics.counter("millrace_dead_letters_total",
                                          "Rejected rows since the sink is known", of(connector))) {}

StateMetrics::StateMetrics(Metrics& metrics, const std::string& connector) : states{} {
  static constexpr std::array<const char*, kConnectorStates> kNames = {
      "starting", "snapshot", "running", "waiting", "paused", "failed", "stuck", "stopped"};
  for (std::size_t i = 0; i < kConnectorStates; ++i) {
    states[i] = &metrics.gauge("millrace_connector_state", "1 for the state the connector is in",
                               {{"connector", connector}, {"state", kNames[i]}});
  }
}

void StateMetrics::show(ConnectorState state, bool present) {
  for (std::size_t i = 0; i < kConnectorStates; ++i) {
    states[i]->set(present && i == static_cast<std::size_t>(state) ? 1 : 0);
  }
}

}  // namespace millrace
