#pragma once

#include <memory>

#include "connect/verify.h"
#include "sink/redis/settings.h"

namespace millrace::redis {

/// Holds the outputs of a Redis sink against rows, by the sink's own encoder: there is one truth of what a
/// row becomes. What Redis holds is told by checksums made there, and read only where these differ. Of each
/// row it keeps 8 bytes, to know what no row named. Changes are made by WATCH and MULTI, so nothing newer is
/// written over.
[[nodiscard]] std::unique_ptr<TargetVerifier> make_redis_verifier(Settings settings);

}  // namespace millrace::redis
