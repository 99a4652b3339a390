#pragma once

#include <memory>

#include "connect/sink.h"
#include "sink/redis/settings.h"

namespace millrace::redis {

/// A sink over one pipelined connection (one to each master of a cluster); the server's one thread is the
/// limit, so more brought nothing.
///
/// Rows of a batch are overlaid by key and sent in groups, each a MULTI/EXEC; the last group of a batch
/// carries the position behind the batch in the same EXEC. MULTI does not roll back: a member that fails is a
/// reject of the rows of its key, and the position is then past them although the log may not have the dead
/// letters yet. The runtime starts a sink at the lesser of the target's position and the settled one, so
/// these rows come again: rows before the position found at `open` (`replayed`) are gathered over all their
/// batches and written once as they stand at its end. What is there is thereby written over with itself,
/// nothing goes back in time, and the rejects are found again.
///
/// Two kinds of row cannot be overlaid: TRUNCATE, and a change of key that keeps values only Redis has. They
/// are sent alone, with nothing else in flight, the latter with its position in the same script, so that the
/// position tells for certain whether it has been done: a move is never done twice. Replayed, both are
/// overlaid too: nothing may be sent between replayed rows, as it would be older than what Redis has.
///
/// The position also tells that Redis has lost everything while it was connected: the hash that holds it is
/// then made anew by the next write of it, which the reply says, or is not there when it is looked for
/// between writes. It is taken away again, so that the sink finds nothing when it is opened next and is
/// filled again.
///
/// In a cluster there is no MULTI: the position lies in front of the rows, on each master one, and says both
/// what is settled and how far rows may have been sent; those in between are gathered and written again.
/// docs/decisions/0017-redis-cluster.md.
[[nodiscard]] Result<std::unique_ptr<Sink>> make_redis_sink(Settings settings);

}  // namespace millrace::redis
