#include "sink/redis/position.h"

#include <algorithm>

namespace millrace::redis {
namespace {

constexpr std::string_view kColumnsField = "columns:";
constexpr char kBetweenNames = '\0';  // in no name of any database

}  // namespace

std::string position_key(std::string_view sink) { return "millrace:position:" + std::string(sink); }

std::vector<std::string> position_command(const std::string& key, const std::string& log_id,
                                          const LogPosition& position) {
  return {"HSET", key, "log", log_id, "position", position.text()};
}

Result<LogPosition> read_position(const Reply& reply, const std::string& key, std::string_view log_id) {
  const auto unreadable = [&key] {
    return stop_error("the position kept in Redis under " + key + " cannot be read",
                      "look at it with HGETALL; once it is removed, everything is written again");
  };
  if (!reply.is_array()) return unreadable();
  const Reply* log = reply.find("log");
  const Reply* position = reply.find("position");
  if (log == nullptr || log->text != log_id) return LogPosition();
  auto parsed = LogPosition::parse(position == nullptr ? std::string_view("-") : position->text);
  if (!parsed) return unreadable();
  return std::move(*parsed);
}

std::vector<std::string> columns_command(const std::string& key, const std::string& topic,
                                         const std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) {
    if (!joined.empty()) joined += kBetweenNames;
    joined += name;
  }
  return {"HSET", key, std::string(kColumnsField) + topic, joined};
}

std::vector<TopicColumns> read_columns(const Reply& reply) {
  std::vector<TopicColumns> out;
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    const std::string_view field = reply.elements[i].text;
    if (field.substr(0, kColumnsField.size()) != kColumnsField) continue;
    TopicColumns& topic = out.emplace_back();
    topic.topic = field.substr(kColumnsField.size());
    std::string_view rest = reply.elements[i + 1].text;
    for (;;) {
      const std::size_t end = rest.find(kBetweenNames);
      topic.names.emplace_back(rest.substr(0, end));
      if (end == std::string_view::npos) break;
      rest.remove_prefix(end + 1);
    }
  }
  return out;
}

LogPosition furthest(const LogPosition& a, const LogPosition& b) {
  LogPosition out = a;
  for (const StreamPosition& other : b.streams()) {
    if (out.at(other.stream) < other) out.set(other);
  }
  return out;
}

/// A stream that one of them does not name has not been read at all.
LogPosition least(const LogPosition& a, const LogPosition& b) {
  LogPosition out;
  for (const StreamPosition& one : a.streams()) {
    const StreamPosition other = b.at(one.stream);
    if (other.sequence == 0 && other.row == 0) continue;
    out.set(std::min(one, other));
  }
  return out;
}

}  // namespace millrace::redis
