#pragma once

#include <cstdint>
#include <stop_token>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "sink/redis/client/client.h"

namespace millrace::redis {

/// Asks one sentinel after the other where the primary is
/// (https://redis.io/docs/latest/develop/reference/sentinel-clients); what it answers is `options.uri` with
/// that host and port. A retry error when none can tell, a stop error when all that answer do not know the
/// name. Bounded by the connect timeout for each.
[[nodiscard]] Result<Uri> find_primary(const ClientOptions& options, Clock& clock,
                                       const std::stop_token& stop);

/// An error unless the server says of itself that it is a primary: a sentinel may not know yet of a failover.
[[nodiscard]] Status check_primary(Client& client);

/// `host:port` of a sentinel (26379 by default) or of a cluster's node. The error says what was expected.
[[nodiscard]] Result<Uri> parse_node(std::string_view text, std::uint16_t default_port);

}  // namespace millrace::redis
