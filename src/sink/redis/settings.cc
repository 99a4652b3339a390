#include "sink/redis/settings.h"

#include <algorithm>
#include <map>
#include <utility>

namespace millrace::redis {
namespace {

/// `shop.public.flights` -> `flights`, and with the schema `public.flights`.
std::string_view behind_dots(std::string_view topic, int dots) {
  std::size_t at = topic.size();
  for (; dots > 0 && at != std::string_view::npos; --dots)
    at = at == 0 ? std::string_view::npos : topic.rfind('.', at - 1);
  return at == std::string_view::npos ? topic : topic.substr(at + 1);
}

Result<std::vector<IndexDefinition>> read_indexes(const ConnectorConfig& config, TargetType target,
                                                  const std::string& default_prefix) {
  std::vector<IndexDefinition> indexes;
  for (const Setting& setting : config.below("indexes.")) {
    const std::size_t dot = setting.name.find('.');
    const std::string name = setting.name.substr(0, dot);
    const std::string rest = dot == std::string::npos ? "" : setting.name.substr(dot + 1);
    auto index = std::find_if(indexes.begin(), indexes.end(), [&](const auto& i) { return i.name == name; });
    if (index == indexes.end()) {
      indexes.push_back({name, default_prefix, target == TargetType::kJson, {}});
      index = indexes.end() - 1;
    }
    if (rest == "prefix") index->prefix = setting.value;
    if (rest.rfind("fields.", 0) != 0) continue;
    auto field = parse_index_field(rest.substr(7), setting.value, target == TargetType::kJson);
    if (!field) {
      Error error = std::move(field).error();
      error.message = "indexes." + setting.name + ": " + error.message;
      return error;
    }
    index->fields.push_back(std::move(*field));
  }
  for (const IndexDefinition& index : indexes) {
    if (index.fields.empty()) {
      return stop_error("index " + index.name + " has no fields",
                        "add indexes." + index.name + ".fields.<field>: TAG");
    }
    if (index.prefix.empty()) {
      return stop_error(
          "index " + index.name + " has no prefix",
          "set indexes." + index.name + ".prefix to what the keys begin with, e.g. \"flight:\"");
    }
  }
  return indexes;
}

}  // namespace

std::string common_prefix(const KeyTemplate& key_template, const std::vector<std::string>& topics) {
  if (!key_template.is_default()) return key_template.literal_prefix();
  if (topics.size() != 1) return {};
  std::string prefix;
  append_escaped(prefix, behind_dots(topics.front(), 1), ":");
  return prefix + ":";
}

Status check_topics_apart(const KeyTemplate& key_template, const std::vector<std::string>& topics,
                          bool by_pattern) {
  if (key_template.has_topic()) return {};
  const bool table = key_template.has_table();
  const bool schema = key_template.has_schema();
  if (by_pattern && !table) {
    return stop_error(
        "target.key does not tell the topics of topics.regex apart: their rows would share keys",
        "put {table} or {topic} into target.key");
  }
  std::map<std::string_view, std::string_view> owners;
  for (const std::string& topic : topics) {
    const std::string_view part = !table ? std::string_view() : behind_dots(topic, schema ? 2 : 1);
    const auto [owner, added] = owners.emplace(part, topic);
    if (added) continue;
    return stop_error("target.key does not tell the topics " + std::string(owner->second) + " and " + topic +
                          " apart: their rows would share keys",
                      "put {topic} into target.key, or give each topic a sink of its own");
  }
  return {};
}

Result<Settings> read_settings(const ConnectorConfig& config) {
  Settings out;
  out.connector = config.connector();
  out.topics = config.list("topics");
  const bool by_pattern = config.has("topics.regex") && !config.list("topics.regex").empty();
  if (out.topics.empty() == !by_pattern) {
    return stop_error("a redis sink needs topics or topics.regex, one of the two",
                      "write topics: shop.public.flights, or topics.regex: shop\\.public\\..*");
  }
  auto uri = parse_uri(config.text("redis.uri"));
  if (!uri) return std::move(uri).error();
  out.client.uri = std::move(*uri);
  if (config.has("redis.username")) out.client.uri.username = config.text("redis.username");
  if (config.has("redis.password")) out.client.uri.password = config.text("redis.password");
  out.client.ca_file = config.text("redis.cacert");
  out.client.cert_file = config.text("redis.key.cert");
  out.client.key_file = config.text("redis.key.file");
  if (out.client.cert_file.empty() != out.client.key_file.empty()) {
    return stop_error("redis.key.cert and redis.key.file belong together: one of them is missing",
                      "set both or none");
  }
  out.client.verify = !config.boolean("redis.insecure");
  out.client.connect_timeout_ms = config.integer("redis.connection.timeout.ms");
  out.client.reply_timeout_ms = config.integer("redis.socket.timeout.ms");
  out.target = config.text("target.type") == "hash" ? TargetType::kHash : TargetType::kJson;
  auto key_template = KeyTemplate::parse(config.text("target.key"));
  if (!key_template) return std::move(key_template).error();
  out.key_template = std::move(*key_template);
  MILLRACE_TRY(check_topics_apart(out.key_template, out.topics, by_pattern));
  const std::string& times = config.text("format.time");
  if (times == "millis") out.json.times = JsonOptions::Times::kMillis;
  if (times == "micros") out.json.times = JsonOptions::Times::kMicros;
  if (config.text("format.decimal") == "number") out.json.decimals = JsonOptions::Decimals::kNumber;
  out.batch_commands = static_cast<std::size_t>(config.integer("redis.batch.size"));
  out.in_flight_bytes = static_cast<std::size_t>(config.integer("redis.in.flight.bytes"));
  out.index_poll_ms = config.integer("redis.index.poll.ms");
  auto indexes = read_indexes(config, out.target, common_prefix(out.key_template, out.topics));
  if (!indexes) return std::move(indexes).error();
  out.indexes = std::move(*indexes);
  return out;
}

}  // namespace millrace::redis
