#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "connect/pipeline.h"
#include "log/log.h"
#include "runtime/runtime.h"

namespace millrace {

/// A running pipeline: its log, its connectors and the HTTP interface over them. Made and ended by one
/// thread, asked by any.
class PipelineHost {
 public:
  struct Environment {
    Clock& clock;
    Logger& logger;
    Metrics& metrics;
    FailPoints& failpoints;
  };

  /// Listens, then starts the connectors of `pipeline`. A stop error when it cannot listen or a connector
  /// cannot even be made; what another server does wrong shows in `status`. The environment outlives the
  /// host.
  [[nodiscard]] static Result<std::unique_ptr<PipelineHost>> start(const Pipeline& pipeline,
                                                                   std::unique_ptr<Log> log,
                                                                   const Environment& environment);
  ~PipelineHost();
  PipelineHost(const PipelineHost&) = delete;
  PipelineHost& operator=(const PipelineHost&) = delete;

  /// `127.0.0.1:8083`
  [[nodiscard]] std::string address() const;
  [[nodiscard]] std::vector<ConnectorStatus> status() const;
  /// Text of a connector with every secret of the pipeline taken out.
  [[nodiscard]] std::string clean(std::string text) const;
  /// Graceful; see Runtime::stop. The log is closed by the destructor.
  void stop();

 private:
  class Impl;

 public:
  explicit PipelineHost(std::unique_ptr<Impl> impl);  ///< for `start`

 private:
  std::unique_ptr<Impl> impl_;
};

/// `runtime.*` and `log.retention.*` of a pipeline file.
[[nodiscard]] RuntimeOptions runtime_options(const ConnectorConfig& global);

}  // namespace millrace
