#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "connect/config.h"
#include "connect/setting_faults.h"
#include "sink/redis/client/client.h"
#include "sink/redis/index/index.h"
#include "sink/redis/output_settings.h"

namespace millrace::redis {

/// The connector's options, read and checked against each other.
struct Settings {
  std::string connector;
  SinkTopics topics;
  ClientOptions client;
  std::vector<Output> outputs = std::vector<Output>(1);  ///< one at least
  std::vector<IndexDefinition> indexes;
  bool drop_removed_indexes = false;  ///< those that the sink has made and the settings no longer have
  std::size_t batch_commands = 256;
  std::size_t in_flight_bytes = 2U << 20U;
  std::int64_t index_poll_ms = 5'000;
  std::int64_t wait_replicas = 0;  ///< that must have a write before it counts as done
  std::int64_t wait_timeout_ms = 1'000;
};

/// What is wrong is added to `faults`; the settings are then of no use.
[[nodiscard]] Settings read_settings(const ConnectorConfig& config, SettingFaults& faults);
/// The same; the first fault is a stop error.
[[nodiscard]] Result<Settings> read_settings(const ConnectorConfig& config);

}  // namespace millrace::redis
