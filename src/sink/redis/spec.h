#pragma once

#include "connect/spec.h"

namespace millrace::redis {

/// The Redis sink: documents or hashes in Redis Stack that follow the tables. Kind `redis`.
[[nodiscard]] const ConnectorSpec& redis_spec();

}  // namespace millrace::redis
