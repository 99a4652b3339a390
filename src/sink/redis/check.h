#pragma once

#include <vector>

#include "connect/spec.h"

namespace millrace::redis {

/// Looks at the server without changing anything: reachable, login, version, modules, position, keys of
/// another type under the keys to be written, search indexes, eviction and persistence. See
/// ConnectorSpec::check.
[[nodiscard]] std::vector<Finding> check(const ConnectorConfig& config);

}  // namespace millrace::redis
