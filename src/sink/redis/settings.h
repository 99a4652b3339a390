#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "connect/config.h"
#include "connect/setting_faults.h"
#include "sink/redis/client.h"
#include "sink/redis/index.h"
#include "sink/redis/key_template.h"
#include "sink/redis/table_plan.h"

namespace millrace::redis {

/// The connector's options, read and checked against each other.
struct Settings {
  std::string connector;
  std::vector<std::string> topics;
  ClientOptions client;
  TargetType target = TargetType::kJson;
  KeyTemplate key_template;
  JsonOptions json;
  std::vector<IndexDefinition> indexes;
  std::size_t batch_commands = 256;
  std::size_t in_flight_bytes = 2U << 20U;
  std::int64_t index_poll_ms = 5'000;
};

/// What is wrong is added to `faults`; the settings are then of no use.
[[nodiscard]] Settings read_settings(const ConnectorConfig& config, SettingFaults& faults);
/// The same; the first fault is a stop error.
[[nodiscard]] Result<Settings> read_settings(const ConnectorConfig& config);

/// What all keys of the sink begin with, when that can be told before the first row; else empty. Pure.
[[nodiscard]] std::string common_prefix(const KeyTemplate& key_template,
                                        const std::vector<std::string>& topics);

/// An error when two of the sink's topics could write the same keys: several topics (or a pattern) and a
/// template that does not tell them apart. Pure.
[[nodiscard]] Status check_topics_apart(const KeyTemplate& key_template,
                                        const std::vector<std::string>& topics, bool by_pattern);

}  // namespace millrace::redis
