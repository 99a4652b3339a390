#include "sink/redis/settings.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "sink/redis/client/sentinel.h"
#include "sink/redis/index_settings.h"

namespace millrace::redis {
namespace {

constexpr std::uint16_t kSentinelPort = 26'379;
constexpr std::uint16_t kRedisPort = 6'379;

std::vector<Uri> read_nodes(const ConnectorConfig& config, const std::string& option,
                            std::uint16_t default_port, SettingFaults& faults) {
  std::vector<Uri> out;
  for (const std::string& node : config.list(option)) {
    auto uri = parse_node(node, default_port);
    if (uri) {
      out.push_back(std::move(*uri));
    } else {
      faults.add(option, uri.error());
    }
  }
  return out;
}

void read_cluster(const ConnectorConfig& config, ClientOptions& out, SettingFaults& faults) {
  out.cluster = read_nodes(config, "redis.cluster.nodes", kRedisPort, faults);
  if (out.cluster.empty()) return;
  if (!out.sentinel.master.empty() || !out.sentinel.nodes.empty()) {
    faults.add("redis.cluster.nodes", "a cluster has no sentinels: its nodes know where the masters are",
               "leave out redis.sentinel.nodes and redis.sentinel.master.name");
  }
  if (out.uri.database != 0)
    faults.add("redis.uri", "a cluster has database 0 only", "leave the database out");
  if (!out.uri.unix_path.empty()) {
    faults.add("redis.uri", "a cluster's nodes are reached by host and port, not by a Unix socket",
               "write redis:// or rediss://, with the login if there is one");
  }
}

void read_sentinel(const ConnectorConfig& config, ClientOptions& out, SettingFaults& faults) {
  SentinelOptions& sentinel = out.sentinel;
  sentinel.master = config.text("redis.sentinel.master.name");
  sentinel.username = config.text("redis.sentinel.username");
  sentinel.password = config.text("redis.sentinel.password");
  sentinel.nodes = read_nodes(config, "redis.sentinel.nodes", kSentinelPort, faults);
  if (sentinel.master.empty() == sentinel.nodes.empty()) return;
  faults.add(sentinel.master.empty() ? "redis.sentinel.master.name" : "redis.sentinel.nodes",
             "redis.sentinel.nodes and redis.sentinel.master.name belong together: one of them is missing",
             "set both or none");
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
  read_sentinel(config, out, faults);
  read_cluster(config, out, faults);
  out.verify = !config.boolean("redis.insecure");
  out.connect_timeout_ms = config.integer("redis.connection.timeout.ms");
  out.reply_timeout_ms = config.integer("redis.socket.timeout.ms");
  return out;
}

}  // namespace

Settings read_settings(const ConnectorConfig& config, SettingFaults& faults) {
  Settings out;
  out.connector = config.connector();
  out.topics.names = config.list("topics");
  const bool by_pattern = config.has("topics.regex") && !config.list("topics.regex").empty();
  if (out.topics.names.empty() == !by_pattern) {
    faults.add(by_pattern ? "topics.regex" : "topics",
               "a redis sink needs topics or topics.regex, one of the two",
               "write topics: shop.public.flights, or topics.regex: shop\\.public\\..*");
  }
  out.client = read_client(config, faults);
  out.topics.by_pattern = by_pattern;
  out.outputs = read_outputs(config, out.topics, faults);
  for (Output& output : out.outputs) output.target.in_cluster = !out.client.cluster.empty();
  out.batch_commands = static_cast<std::size_t>(config.integer("redis.batch.size"));
  out.in_flight_bytes = static_cast<std::size_t>(config.integer("redis.in.flight.bytes"));
  out.wait_replicas = config.integer("redis.wait.replicas");
  out.wait_timeout_ms = config.integer("redis.wait.timeout.ms");
  if (out.wait_replicas > 0 && out.wait_timeout_ms >= out.client.reply_timeout_ms) {
    faults.add("redis.wait.timeout.ms",
               "it must be less than redis.socket.timeout.ms, after which Redis counts as gone",
               "make it shorter, or redis.socket.timeout.ms longer");
  }
  out.index_poll_ms = config.integer("redis.index.poll.ms");
  out.drop_removed_indexes = config.boolean("redis.index.drop.removed");
  out.indexes = read_indexes(config, out.topics, out.outputs, faults);
  if (!out.client.cluster.empty() && !out.indexes.empty()) {
    faults.add("indexes." + config.below("indexes.").front().name,
               "Redis Stack indexes in a cluster only what lies on the node at which the index is made, so a "
               "search would miss documents",
               "leave out indexes with redis.cluster.nodes");
  }
  return out;
}

Result<Settings> read_settings(const ConnectorConfig& config) {
  SettingFaults faults;
  Settings settings = read_settings(config, faults);
  if (!faults.empty()) return faults.error();
  return settings;
}

}  // namespace millrace::redis
