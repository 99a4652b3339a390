#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "connect/log_position.h"
#include "sink/redis/client/resp.h"

namespace millrace::redis {

/// The hash in which a sink keeps its position beside the data: `log` (the log's identity) and `position`
/// (LogPosition::text). One hash for a sink, whatever log it reads, so that a position of another log never
/// outlives what another log has written over.
[[nodiscard]] std::string position_key(std::string_view sink);

/// The arguments of the HSET that writes it.
[[nodiscard]] std::vector<std::string> position_command(const std::string& key, const std::string& log_id,
                                                        const LogPosition& position);

/// From the reply to HGETALL of the hash. Empty: there is none, or one of another log, so nothing of ours is
/// in this server. A stop error when it cannot be read.
[[nodiscard]] Result<LogPosition> read_position(const Reply& reply, const std::string& key,
                                                std::string_view log_id);

/// In the same hash: the columns that the hashes of `topic` may have as fields, so that those of dropped ones
/// are removed after a restart too.
[[nodiscard]] std::vector<std::string> columns_command(const std::string& key, const std::string& topic,
                                                       const std::vector<std::string>& names);
struct TopicColumns {
  std::string topic;
  std::vector<std::string> names;
};
/// From the reply to HGETALL of the hash.
[[nodiscard]] std::vector<TopicColumns> read_columns(const Reply& reply);

/// The further one of two positions in each stream, and the one less far.
[[nodiscard]] LogPosition furthest(const LogPosition& a, const LogPosition& b);
[[nodiscard]] LogPosition least(const LogPosition& a, const LogPosition& b);

}  // namespace millrace::redis
