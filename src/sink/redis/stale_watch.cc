#include "sink/redis/stale_watch.h"

namespace millrace::redis {

StaleWatch::StaleWatch(TaskContext& context)
    : left_out_(context.metrics.counter("millrace_redis_stale_writes_total",
                                        "Writes left out as Redis had a later version of their keys",
                                        {{"connector", context.connector}})) {}

void StaleWatch::step(const GuardCount& now) {
  left_out_.add(now.stale - seen_.stale);
  seen_ = now;
}

std::vector<std::string> StaleWatch::warnings() const {
  if (seen_.stale * 2 <= seen_.writes) return {};
  return {std::to_string(seen_.stale) + " of " + std::to_string(seen_.writes) +
          " writes were left out, as Redis has later versions of their keys: another writer is ahead; or an "
          "earlier log has written them, then raise target.guard.epoch"};
}

}  // namespace millrace::redis
