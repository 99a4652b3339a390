#include "sink/redis/settings.h"

#include <algorithm>
#include <map>
#include <set>
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

std::vector<IndexDefinition> read_indexes(const ConnectorConfig& config, TargetType target,
                                          const std::string& default_prefix, SettingFaults& faults) {
  std::vector<IndexDefinition> indexes;
  std::set<std::string> faulty;
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
    if (field) {
      index->fields.push_back(std::move(*field));
    } else {
      faults.add("indexes." + setting.name, field.error());
      faulty.insert(name);
    }
  }
  for (const IndexDefinition& index : indexes) {
    const std::string option = "indexes." + index.name;
    if (index.fields.empty() && !faulty.contains(index.name)) {
      faults.add(option + ".fields", "the index has no fields", "add " + option + ".fields.<field>: TAG");
    }
    if (index.prefix.empty()) {
      faults.add(option + ".prefix", "the index has no prefix",
                 "set it to what the keys begin with, e.g. \"flight:\"");
    }
  }
  return indexes;
}

ClientOptions read_client(const ConnectorConfig& config, SettingFaults& faults) {
  ClientOptions out;
  if (auto uri = parse_uri(config.text("redis.uri")); uri) {
    out.uri = std::move(*uri);
  } else {
    faults.add("redis.uri", uri.error());
  }
  if (config.has("redis.username")) out.uri.username = config.text("redis.username");
  if (config.has("redis.password")) out.uri.password = config.text("redis.password");
  out.ca_file = config.text("redis.cacert");
  out.cert_file = config.text("redis.key.cert");
  out.key_file = config.text("redis.key.file");
  if (out.cert_file.empty() != out.key_file.empty()) {
    faults.add(out.cert_file.empty() ? "redis.key.file" : "redis.key.cert",
               "redis.key.cert and redis.key.file belong together: one of them is missing",
               "set both or none");
  }
  out.verify = !config.boolean("redis.insecure");
  out.connect_timeout_ms = config.integer("redis.connection.timeout.ms");
  out.reply_timeout_ms = config.integer("redis.socket.timeout.ms");
  return out;
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
    return stop_error("it does not tell the topics of topics.regex apart: their rows would share keys",
                      "put {table} or {topic} into it");
  }
  std::map<std::string_view, std::string_view> owners;
  for (const std::string& topic : topics) {
    const std::string_view part = !table ? std::string_view() : behind_dots(topic, schema ? 2 : 1);
    const auto [owner, added] = owners.emplace(part, topic);
    if (added) continue;
    return stop_error("it does not tell the topics " + std::string(owner->second) + " and " + topic +
                          " apart: their rows would share keys",
                      "put {topic} into it, or give each topic a sink of its own");
  }
  return {};
}

Settings read_settings(const ConnectorConfig& config, SettingFaults& faults) {
  Settings out;
  out.connector = config.connector();
  out.topics = config.list("topics");
  const bool by_pattern = config.has("topics.regex") && !config.list("topics.regex").empty();
  if (out.topics.empty() == !by_pattern) {
    faults.add(by_pattern ? "topics.regex" : "topics",
               "a redis sink needs topics or topics.regex, one of the two",
               "write topics: shop.public.flights, or topics.regex: shop\\.public\\..*");
  }
  out.client = read_client(config, faults);
  out.target = config.text("target.type") == "hash" ? TargetType::kHash : TargetType::kJson;
  if (auto key_template = KeyTemplate::parse(config.text("target.key")); !key_template) {
    faults.add("target.key", key_template.error());
  } else {
    out.key_template = std::move(*key_template);
    const Status apart = check_topics_apart(out.key_template, out.topics, by_pattern);
    if (!apart) faults.add("target.key", apart.error());
  }
  const std::string& times = config.text("format.time");
  if (times == "millis") out.json.times = JsonOptions::Times::kMillis;
  if (times == "micros") out.json.times = JsonOptions::Times::kMicros;
  if (config.text("format.decimal") == "number") out.json.decimals = JsonOptions::Decimals::kNumber;
  out.batch_commands = static_cast<std::size_t>(config.integer("redis.batch.size"));
  out.in_flight_bytes = static_cast<std::size_t>(config.integer("redis.in.flight.bytes"));
  out.index_poll_ms = config.integer("redis.index.poll.ms");
  out.indexes = read_indexes(config, out.target, common_prefix(out.key_template, out.topics), faults);
  return out;
}

Result<Settings> read_settings(const ConnectorConfig& config) {
  SettingFaults faults;
  Settings settings = read_settings(config, faults);
  if (!faults.empty()) return faults.error();
  return settings;
}

}  // namespace millrace::redis
