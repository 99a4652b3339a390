#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "log/log.h"
#include "runtime/runtime.h"

namespace millrace {

/// Takes known secrets out of text that comes from elsewhere (a server's message may quote what it was sent).
class Redactor {
 public:
  Redactor() = default;
  /// Secrets shorter than 6 bytes are left alone: they would match anywhere.
  explicit Redactor(std::vector<std::string> secrets);
  [[nodiscard]] std::string clean(std::string text) const;

 private:
  std::vector<std::string> secrets_;
};

/// `{"pipeline":..,"connectors":[{"name","kind","type","state","position","as_of_ms","lag_bytes","lag_ms","rows",...}]}`.
/// What is not known is -1. `as_of_ms`: when position and lag were looked at, since 1970.
[[nodiscard]] std::string status_json(std::string_view pipeline,
                                      const std::vector<ConnectorStatus>& connectors,
                                      const Redactor& redactor);

/// `[{"topic","first_offset","next_offset","bytes"}]`, by name.
[[nodiscard]] std::string topics_json(std::vector<TopicInfo> topics);

/// What the log keeps for one sink.
struct SinkHold {
  std::string sink;
  std::string position;
  std::int64_t bytes = -1;  ///< not yet settled by it; -1: not known
  bool in_pipeline = true;
};
/// `[{"sink","position","bytes","in_pipeline"}]`.
[[nodiscard]] std::string sinks_json(const std::vector<SinkHold>& sinks);

struct Health {
  bool ok = true;
  std::string json;  ///< `{"status":"ok","reasons":[]}`
};
/// Not ok when a connector has failed or is stuck; one that waits for its other side is well.
[[nodiscard]] Health health_of(const std::vector<ConnectorStatus>& connectors, const Redactor& redactor);

}  // namespace millrace
