#pragma once

#include "base/clock.h"
#include "control/wait_places.h"
#include "http/message.h"
#include "log/log.h"

namespace millrace {

/// Answers `/api/v1/topics/{topic}/rows?from=&limit=&format=&wait_ms=`: up to `limit` rows (1 to 10,000,
/// 1,000 without) or about 4 MiB from `from` on (see parse_start_point; `earliest` without), one JSON text a
/// line, `format` json or debezium. Without rows it waits up to `wait_ms` (60,000 at most, 0 without) for the
/// first. Headers: `Millrace-Begin-Offset`, where `from` came to lie: later than an offset asked for when
/// retention has removed that; `Millrace-Next-Offset`, where to go on; `Millrace-End-Offset`, the offset that
/// the topic's next row would have had when the request came.
/// `Retry-After`, when so many wait already that it answers at once.
[[nodiscard]] HttpResponse answer_topic_rows(const HttpRequest& request, Log& log, Clock& clock,
                                             WaitPlaces& places);

}  // namespace millrace
