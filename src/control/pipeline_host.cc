#include "control/pipeline_host.h"

#include <algorithm>
#include <utility>

#include "control/api.h"
#include "http/server.h"

namespace millrace {
namespace {

std::vector<std::string> secrets_of(const Pipeline& pipeline) {
  std::vector<std::string> out = pipeline.global.secrets();
  for (const ConfiguredConnector& one : pipeline.connectors) {
    for (std::string& secret : one.config.secrets()) out.push_back(std::move(secret));
  }
  return out;
}

HttpServerOptions http_options(const ConnectorConfig& global) {
  HttpServerOptions options;
  options.listen = global.text("http.listen");
  options.allow_remote = global.boolean("http.allow.remote");
  options.threads = static_cast<std::size_t>(global.integer("http.threads"));
  return options;
}

}  // namespace

RuntimeOptions runtime_options(const ConnectorConfig& global) {
  RuntimeOptions options;
  options.memory_bytes = static_cast<std::size_t>(global.integer("runtime.memory.bytes"));
  options.batch_bytes = static_cast<std::size_t>(global.integer("runtime.batch.bytes"));
  options.batch_rows = static_cast<std::size_t>(global.integer("runtime.batch.rows"));
  options.stop_timeout_ms = global.integer("runtime.stop.timeout.ms");
  options.stuck_after_ms = global.integer("runtime.stuck.after.ms");
  options.retention.retention_ms = global.integer("log.retention.ms");
  options.retention.retention_bytes = global.integer("log.retention.bytes");
  options.retention.dead_letter_ms = global.integer("log.deadletter.retention.ms");
  options.retention.dead_letters = global.integer("log.deadletter.retention.count");
  return options;
}

/// Members in the order of who needs whom: the server goes first, the log last.
class PipelineHost::Impl {
 public:
  Impl(const Pipeline& pipeline, std::unique_ptr<Log> log, const Environment& environment)
      : logger_(environment.logger),
        log_(std::move(log)),
        runtime_({*log_, environment.clock, environment.logger, environment.metrics, environment.failpoints},
                 runtime_options(pipeline.global)),
        api_{pipeline.name,
             *log_,
             environment.clock,
             environment.metrics,
             Redactor(secrets_of(pipeline)),
             [this] { return runtime_.status(); },
             [this](std::string_view name) { return runtime_.pause(name); },
             [this](std::string_view name) { return runtime_.resume(name); },
             [this](std::string_view name) { return runtime_.restart(name); },
             [this](std::string_view name) { return runtime_.reset(name); },
             [this](std::string_view name) { return runtime_.forget_sink(name); },
             std::max<std::size_t>(http_options(pipeline.global).threads, 3) - 2,
             [this](std::string_view sink, LetterRequest request) {
               return runtime_.work_on_letters(sink, std::move(request));
             },
             [this](std::string_view sink, std::uint64_t id) { return runtime_.letter_operation(sink, id); }},
        server_(http_options(pipeline.global), router_, environment.logger) {
    add_api_routes(router_, api_);
  }

  Status start(const Pipeline& pipeline) {
    // First, so that a second process on the same port ends before it has touched a database.
    MILLRACE_TRY(server_.start());
    for (const ConfiguredConnector& one : pipeline.connectors)
      MILLRACE_TRY(runtime_.start(*one.spec, one.config));
    warn_of_sinks_gone(pipeline);
    return {};
  }

  void stop() {
    runtime_.stop();
    log_->wake();
    server_.stop();
  }

  [[nodiscard]] std::string address() const { return server_.address(); }
  [[nodiscard]] std::vector<ConnectorStatus> status() const { return runtime_.status(); }
  [[nodiscard]] std::string clean(std::string text) const { return api_.redactor.clean(std::move(text)); }

 private:
  /// A sink taken out of the file, or renamed, would hold the log for ever in silence.
  void warn_of_sinks_gone(const Pipeline& pipeline) {
    const auto sinks = log_->sinks();
    if (!sinks) return;
    for (const SinkInfo& sink : *sinks) {
      const bool there = std::ranges::any_of(pipeline.connectors, [&](const ConfiguredConnector& one) {
        return one.config.connector() == sink.name;
      });
      if (there) continue;
      const auto backlog = log_->backlog(sink.position);
      logger_.warn(
          "the log keeps rows for a sink that is not in the pipeline; `millrace forget SINK` lets them go",
          {{"sink", std::string_view(sink.name)},
           {"bytes", backlog ? static_cast<std::int64_t>(backlog->bytes) : -1}});
    }
  }

  Logger& logger_;
  std::unique_ptr<Log> log_;
  Runtime runtime_;
  Api api_;
  HttpRouter router_;
  HttpServer server_;
};

Result<std::unique_ptr<PipelineHost>> PipelineHost::start(const Pipeline& pipeline, std::unique_ptr<Log> log,
                                                          const Environment& environment) {
  auto impl = std::make_unique<Impl>(pipeline, std::move(log), environment);
  MILLRACE_TRY(impl->start(pipeline));
  return std::make_unique<PipelineHost>(std::move(impl));
}

PipelineHost::PipelineHost(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PipelineHost::~PipelineHost() = default;
std::string PipelineHost::address() const { return impl_->address(); }
std::vector<ConnectorStatus> PipelineHost::status() const { return impl_->status(); }
std::string PipelineHost::clean(std::string text) const { return impl_->clean(std::move(text)); }
void PipelineHost::stop() { impl_->stop(); }

}  // namespace millrace
