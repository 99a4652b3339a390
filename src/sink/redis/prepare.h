#pragma once

#include <memory>
#include <span>

#include "base/result.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/lane.h"

namespace millrace::redis {

/// Makes the scripts of the lane's target known to all servers.
[[nodiscard]] Status load_scripts(Servers& servers, Lane& lane);

/// What must be so before rows flow: the modules that the lanes need are there, their scripts are known to
/// all servers, and the lanes know how large a value may be.
[[nodiscard]] Status prepare_lanes(Servers& servers, std::span<const std::unique_ptr<Lane>> lanes);

}  // namespace millrace::redis
