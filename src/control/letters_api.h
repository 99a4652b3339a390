#pragma once

#include "control/api.h"
#include "http/router.h"

namespace millrace {

/// Below /api/v1/connectors/{name}/dead-letters, of a sink:
///
/// GET  (itself)          ?from=ID&limit=N&state=&topic=&error=&format=json|ndjson; `state` is open (without
///                        it), all, or one of the states. Header Millrace-Next-Id: where to go on, when there
///                        may be more. ndjson: a letter a line, with its row and history
/// GET  /groups           open ones by topic and form of the error; ?state= as above
/// GET  /{id}             one, with its row and history
/// POST /replay           sends them again, in the order of the log; 202 {"operation":N}
/// POST /drop             gives them up; 202 {"operation":N}
/// GET  /operations/{id}  how far that is
/// `api` outlives the router.
void add_letter_routes(HttpRouter& router, const Api& api);

}  // namespace millrace
