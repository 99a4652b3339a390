#pragma once

#include <vector>

#include "connect/config.h"
#include "connect/setting_faults.h"
#include "sink/redis/index/index.h"
#include "sink/redis/output_settings.h"

namespace millrace::redis {

/// The indexes that `indexes.<index>.*` name, each over the JSON documents or hashes of one of `outputs`.
/// What is wrong is added to `faults`.
[[nodiscard]] std::vector<IndexDefinition> read_indexes(const ConnectorConfig& config,
                                                        const SinkTopics& topics,
                                                        std::vector<Output>& outputs, SettingFaults& faults);

}  // namespace millrace::redis
