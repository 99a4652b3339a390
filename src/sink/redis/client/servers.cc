#include "sink/redis/client/servers.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace millrace::redis {
namespace {

constexpr std::int64_t kStepUs = 100'000;

}  // namespace

Result<std::unique_ptr<Servers>> Servers::connect(const ClientOptions& options, Clock& clock,
                                                  const std::stop_token& stop) {
  // The constructor is private: no make_unique.
  std::unique_ptr<Servers> servers(new Servers(options, clock, stop));
  if (options.cluster.empty()) {
    auto client = Client::connect(options, clock, stop);
    if (!client) return std::move(client).error();
    servers->clients_.push_back(std::move(*client));
  } else {
    MILLRACE_TRY(servers->open_cluster());
  }
  for (const auto& client : servers->clients_) servers->pointers_.push_back(client.get());
  return servers;
}

Result<std::unique_ptr<Client>> Servers::connect_to(const HostPort& at) {
  ClientOptions options = options_;
  options.cluster.clear();
  options.uri.unix_path.clear();
  options.uri.host = at.host;
  options.uri.port = at.port;
  return Client::connect(options, clock_, stop_);
}

Status Servers::open_cluster() {
  auto map = learn_map();
  if (!map) return std::move(map).error();
  map_ = std::move(*map);
  for (std::size_t i = 0; i < map_->nodes.size(); ++i) {
    auto client = connect_to(map_->nodes[i].at);
    if (!client) return at_node(i, std::move(client).error());
    clients_.push_back(std::move(*client));
  }
  return {};
}

/// From the first node that tells of a master for every slot.
Result<SlotMap> Servers::learn_map() {
  Error last = retry_error("there is no node to ask");
  for (const Uri& node : options_.cluster) {
    if (stop_.stop_requested()) return retry_error("stopping while the cluster's nodes were asked");
    auto client = connect_to({node.host, node.port});
    auto reply = client ? (*client)->call({"CLUSTER", "SLOTS"}) : Result<Reply>(std::move(client).error());
    if (reply && !reply->is_error()) {
      auto map = read_slot_map(*reply, node.host);
      if (map) return map;
      last = std::move(map).error();
      continue;
    }
    if (reply && reply->text.find("cluster support disabled") != std::string::npos) {
      return stop_error("the server at " + node.text() + " is no node of a cluster",
                        "leave redis.cluster.nodes out and name it in redis.uri");
    }
    last = reply ? reply_error("CLUSTER SLOTS", reply->text) : std::move(reply).error();
    if (last.next == Next::kStop) return last;
  }
  return Error{last.next, "no node tells the cluster's slots; the last one: " + last.message, last.hint};
}

std::string Servers::name(std::size_t node) const {
  return map_ ? map_->nodes[node].at.text() : options_.uri.text();
}

Error Servers::at_node(std::size_t node, Error error) const {
  if (!map_) return error;
  const SlotMap::Node& at = map_->nodes[node];
  error.message = "node " + at.at.text() + " (slots " + ranges_text(at.slots) + "): " + error.message;
  return error;
}

Status Servers::exchange(std::int64_t until_us, bool wait_idle) {
  std::size_t failed = 0;
  Status done = Client::exchange(pointers_, until_us, wait_idle, failed);
  return done ? std::move(done) : Status(at_node(failed, std::move(done).error()));
}

Status Servers::send() {
  for (std::size_t i = 0; i < size(); ++i) {
    if (Status sent = client(i).send(); !sent) return at_node(i, std::move(sent).error());
  }
  return {};
}

Result<Reply> Servers::call(std::size_t node, const std::vector<std::string>& command) {
  std::string bytes;
  append_command(bytes, command);
  return call_wire(node, bytes);
}

Result<Reply> Servers::call_wire(std::size_t node, std::string_view command) {
  auto reply = client(node).call_wire(command);
  if (!reply) return at_node(node, std::move(reply).error());
  return follow(node, std::move(*reply), command);
}

Result<Reply> Servers::call_key(std::string_view key, const std::vector<std::string>& command) {
  return call(node_of(key), command);
}

void Servers::put(std::size_t node, const std::vector<std::string>& command) {
  std::string& out = client(node).out();
  const std::size_t start = out.size();
  append_command(out, command);
  put_.push_back({node, map_ ? out.substr(start) : std::string()});
  client(node).expect(1);
}

Result<std::vector<Reply>> Servers::take() {
  const std::vector<Put> put = std::exchange(put_, {});
  std::vector<Reply> out;
  while (out.size() < put.size()) {
    const std::size_t node = put[out.size()].node;
    Reply reply;
    auto found = client(node).next(reply);
    if (!found) return at_node(node, std::move(found).error());
    if (*found) {
      auto followed = follow(node, std::move(reply), put[out.size()].command);
      if (!followed) return std::move(followed).error();
      out.push_back(std::move(*followed));
      continue;
    }
    if (stop_.stop_requested()) return retry_error("stopping while Redis had not answered yet");
    MILLRACE_TRY(exchange(clock_.now_us() + kStepUs));
  }
  return out;
}

Result<Reply> Servers::follow(std::size_t node, Reply reply, std::string_view command) {
  if (!map_ || !reply.is_error()) return reply;
  const auto to = parse_redirection(bare_error(reply.text));
  if (!to) return reply;
  HostPort at = to->to;
  if (at.host.empty()) at.host = map_->nodes[node].at.host;
  if (!to->ask) {
    return at_node(node, reconnect_error("slot " + std::to_string(to->slot) + " has moved to " + at.text()));
  }
  auto client = importer(at);
  if (!client) return std::move(client).error();
  auto asking = (*client)->call({"ASKING"});
  if (!asking) return std::move(asking).error();
  auto answer = (*client)->call_wire(command);
  if (!answer) return std::move(answer).error();
  if (const auto again = parse_redirection(bare_error(answer->text)); again && answer->is_error()) {
    return at_node(node, reconnect_error("slot " + std::to_string(to->slot) + " is on its way to " +
                                         at.text() + ", which sends us on"));
  }
  MILLRACE_TRY(wait_for_replicas(**client));
  return answer;
}

Status Servers::wait_for_replicas(Client& client) const {
  if (wait_replicas_ == 0) return {};
  const std::string wanted = std::to_string(wait_replicas_);
  auto reply = client.call({"WAIT", wanted, std::to_string(wait_timeout_ms_)});
  if (!reply) return std::move(reply).error();
  return check_replicas(*reply, wait_replicas_);
}

/// A node that takes a slot over may be no master yet that we know.
Result<Client*> Servers::importer(const HostPort& at) {
  const auto known = std::ranges::find(asked_, at, &Asked::at);
  if (known != asked_.end()) return known->client.get();
  auto client = connect_to(at);
  if (!client) return std::move(client).error();
  for (const std::string& script : scripts_) {
    auto loaded = (*client)->call({"SCRIPT", "LOAD", script});
    if (!loaded) return std::move(loaded).error();
    if (loaded->is_error()) return reply_error("SCRIPT LOAD", loaded->text);
  }
  return asked_.emplace_back(Asked{at, std::move(*client)}).client.get();
}

Result<std::string> Servers::load_script(std::string_view text) {
  if (map_) scripts_.emplace_back(text);
  for (std::size_t i = 0; i < size(); ++i) put(i, {"SCRIPT", "LOAD", std::string(text)});
  auto replies = take();
  if (!replies) return std::move(replies).error();
  for (std::size_t i = 0; i < size(); ++i) {
    if ((*replies)[i].is_error()) return at_node(i, reply_error("SCRIPT LOAD", (*replies)[i].text));
  }
  return replies->front().text;
}

Status Servers::check_settled() {
  if (!map_) return {};
  for (std::size_t i = 0; i < size(); ++i) {
    auto nodes = call(i, {"CLUSTER", "NODES"});
    if (!nodes) return std::move(nodes).error();
    if (nodes->is_error()) return at_node(i, reply_error("CLUSTER NODES", nodes->text));
    if (has_open_slots(nodes->text)) {
      return at_node(i, retry_error("the keys of a table are not looked for while slots are being moved",
                                    "it goes on when they have moved; see redis-cli --cluster check"));
    }
  }
  auto slots = call(0, {"CLUSTER", "SLOTS"});
  if (!slots) return std::move(slots).error();
  auto map = read_slot_map(*slots, map_->nodes[0].at.host);
  if (!map) return std::move(map).error();
  return *map == *map_ ? Status() : Status(reconnect_error("slots of the cluster have moved"));
}

}  // namespace millrace::redis
