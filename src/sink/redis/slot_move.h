#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "connect/sink.h"
#include "sink/redis/client/servers.h"
#include "sink/redis/lane.h"

namespace millrace::redis {

/// A change of key that keeps values only Redis has, in a cluster, where the two keys are in different slots
/// and no script reaches both: copies the old document to the new key and changes it there. With nothing in
/// flight; `overlay` is what Encoder::take_move answered, with one entry. When that is done, `leaving` gets
/// the old key: it is to be removed once the positions are past the row, and no sooner. Until then the row is
/// a move that can be done again from the old document; afterwards it is among those that have been applied,
/// and when it comes again after a crash the old document goes, whether it was still there or not.
[[nodiscard]] Status move_between_slots(Servers& servers, Lane& lane, const Overlay& overlay,
                                        const std::string& from, std::vector<Rejected>& rejected,
                                        std::vector<std::string>& leaving);

}  // namespace millrace::redis
