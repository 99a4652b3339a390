#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "control/status_json.h"
#include "http/router.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace millrace {

/// What the HTTP interface stands on. Everything in it is thread-safe and outlives the server.
struct Api {
  std::string pipeline;  ///< its name
  Log& log;
  Clock& clock;
  Metrics& metrics;
  Redactor redactor;
  std::function<std::vector<ConnectorStatus>()> status;
  std::function<Status(std::string_view connector)> pause;
  std::function<Status(std::string_view connector)> resume;
  std::function<Status(std::string_view connector)> restart;
  std::function<Status(std::string_view connector)> reset;
  std::function<Status(std::string_view sink)> forget_sink;
  std::size_t waiting_requests = 8;  ///< that may wait for rows at a time
  std::function<Result<std::uint64_t>(std::string_view sink, LetterRequest request)> work_on_letters{};
  std::function<Result<LetterOperation>(std::string_view sink, std::uint64_t id)> letter_operation{};
};

/// GET  /health                                       200, or 503 with reasons
/// GET  /metrics                                      Prometheus
/// GET  /api/v1/status                                every connector
/// GET  /api/v1/topics                                every topic
/// GET  /api/v1/topics/{topic}/rows                   rows, a JSON text a line; see topic_rows.h
/// ...  /api/v1/connectors/{name}/dead-letters...     see letters_api.h
/// POST /api/v1/connectors/{name}/pause|resume|restart|reset
/// GET  /api/v1/sinks                                 those the log keeps rows for
/// POST /api/v1/sinks/{name}/forget                   lets them go, when the pipeline has no such sink
/// `api` outlives the router.
void add_api_routes(HttpRouter& router, const Api& api);

}  // namespace millrace
