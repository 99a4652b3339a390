#pragma once

#include <span>

#include "connect/options.h"

namespace millrace::redis {

/// What a connector of kind `redis` can be told, group by group.
[[nodiscard]] std::span<const OptionSpec> redis_options();

}  // namespace millrace::redis
