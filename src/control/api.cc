#include "control/api.h"

#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>

#include "control/api_answers.h"
#include "control/letters_api.h"
#include "control/topic_rows.h"

namespace millrace {
namespace {

/// What Prometheus' own clients say about a process, under their names.
std::string process_metrics() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t pages = 0;
  std::uint64_t resident = 0;
  statm >> pages >> resident;
  const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const double cpu_s = static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return "# HELP process_resident_memory_bytes Resident memory size in bytes.\n"
         "# TYPE process_resident_memory_bytes gauge\n"
         "process_resident_memory_bytes " +
         std::to_string(resident * page_bytes) +
         "\n# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n"
         "# TYPE process_cpu_seconds_total counter\n"
         "process_cpu_seconds_total " +
         std::to_string(cpu_s) + "\n";
}

/// Pause, resume, restart or reset: 202 when taken.
HttpHandler command(const Api& api, const std::function<Status(std::string_view)>& act) {
  return [&api, act](const HttpRequest& request) {
    const std::string& name = request.parameters.at("name");
    const auto all = api.status();
    if (find_connector(all, name) == nullptr) return no_connector(all, name);
    const Status done = act(name);
    if (!done) return failure(409, done.error());
    return json_response(202, "{}");
  };
}

HttpResponse answer_topics(const Api& api) {
  auto topics = api.log.topics();
  if (!topics) return failure(500, topics.error());
  return json_response(200, topics_json(*std::move(topics)));
}

HttpResponse answer_sinks(const Api& api) {
  const auto sinks = api.log.sinks();
  if (!sinks) return failure(500, sinks.error());
  const auto all = api.status();
  std::vector<SinkHold> holds;
  for (const SinkInfo& sink : *sinks) {
    // Unknown when retention has cut what it stands at.
    const auto backlog = api.log.backlog(sink.position);
    holds.push_back({sink.name, sink.position.text(),
                     backlog ? static_cast<std::int64_t>(backlog->bytes) : -1,
                     find_connector(all, sink.name) != nullptr});
  }
  return json_response(200, sinks_json(holds));
}

HttpResponse forget_sink(const Api& api, const HttpRequest& request) {
  const Status done = api.forget_sink(request.parameters.at("name"));
  return done ? json_response(202, "{}") : failure(409, done.error());
}

HttpResponse answer_health(const Api& api) {
  Health health = health_of(api.status(), api.redactor);
  return json_response(health.ok ? 200 : 503, std::move(health.json));
}

}  // namespace

void add_api_routes(HttpRouter& router, const Api& api) {
  router.add("GET", "/health", [&api](const HttpRequest&) { return answer_health(api); });
  router.add("GET", "/metrics", [&api](const HttpRequest&) {
    return HttpResponse{200, "text/plain; version=0.0.4",
                        api.metrics.expose(api.clock.now_us()) + process_metrics()};
  });
  router.add("GET", "/api/v1/status", [&api](const HttpRequest&) {
    return json_response(200, status_json(api.pipeline, api.status(), api.redactor));
  });
  router.add("GET", "/api/v1/topics", [&api](const HttpRequest&) { return answer_topics(api); });
  router.add("GET", "/api/v1/topics/{topic}/rows",
             [&api, places = std::make_shared<WaitPlaces>(api.waiting_requests)](const HttpRequest& request) {
               return answer_topic_rows(request, api.log, api.clock, *places);
             });
  add_letter_routes(router, api);
  router.add("POST", "/api/v1/connectors/{name}/pause", command(api, api.pause));
  router.add("POST", "/api/v1/connectors/{name}/resume", command(api, api.resume));
  router.add("POST", "/api/v1/connectors/{name}/restart", command(api, api.restart));
  router.add("POST", "/api/v1/connectors/{name}/reset", command(api, api.reset));
  router.add("GET", "/api/v1/sinks", [&api](const HttpRequest&) { return answer_sinks(api); });
  router.add("POST", "/api/v1/sinks/{name}/forget",
             [&api](const HttpRequest& request) { return forget_sink(api, request); });
}

}  // namespace millrace
