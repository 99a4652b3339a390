#include "sink/redis/position.h"

#include <algorithm>

namespace millrace::redis {

std::string position_key(std::string_view sink) { return "millrace:position:" + std::string(sink); }

std::vector<std::string> position_command(const std::string& key, const std::string& log_id,
                                          const LogPosition& position) {
  return {"HSET", key, "log", log_id, "position", position.text()};
}

Result<std::optional<LogPosition>> read_position(const Reply& reply, const std::string& key,
                                                 std::string_view log_id) {
  const auto unreadable = [&key] {
    return stop_error("the position kept in Redis under " + key + " cannot be read",
                      "look at it with HGETALL; once it is removed, everything is written again");
  };
  if (!reply.is_array() || reply.elements.size() != 2) return unreadable();
  const Reply& log = reply.elements[0];
  const Reply& position = reply.elements[1];
  if (log.kind == Reply::Kind::kNull && position.kind == Reply::Kind::kNull)
    return std::optional(LogPosition());
  if (log.text != log_id) return std::optional<LogPosition>();
  auto parsed = LogPosition::parse(position.text);
  if (!parsed) return unreadable();
  return std::optional(std::move(*parsed));
}

LogPosition furthest(const LogPosition& a, const LogPosition& b) {
  LogPosition out = a;
  for (const StreamPosition& other : b.streams()) {
    if (out.at(other.stream) < other) out.set(other);
  }
  return out;
}

}  // namespace millrace::redis
