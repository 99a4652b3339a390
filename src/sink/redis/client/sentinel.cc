#include "sink/redis/client/sentinel.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/text.h"

namespace millrace::redis {
namespace {

/// The primary's address by one sentinel; nothing when it does not know the name.
Result<std::optional<Uri>> ask(const ClientOptions& options, const Uri& node, Clock& clock,
                               const std::stop_token& stop) {
  ClientOptions at = options;
  at.sentinel = {};
  at.uri = node;
  at.uri.tls = options.uri.tls;
  at.uri.username = options.sentinel.username;
  at.uri.password = options.sentinel.password;
  auto client = Client::connect(at, clock, stop);
  if (!client) return std::move(client).error();
  auto reply = (*client)->call({"SENTINEL", "get-master-addr-by-name", options.sentinel.master});
  if (!reply) return std::move(reply).error();
  if (reply->is_error()) return reply_error("SENTINEL get-master-addr-by-name", reply->text);
  if (!reply->is_array() || reply->elements.size() != 2) return std::optional<Uri>();
  const auto port = parse_uint64(reply->elements[1].text);
  if (!port || *port == 0 || *port > 65'535) return retry_error("it answers with no port");
  Uri primary = options.uri;
  primary.unix_path.clear();
  primary.host = reply->elements[0].text;
  primary.port = static_cast<std::uint16_t>(*port);
  return std::optional(std::move(primary));
}

}  // namespace

Result<Uri> find_primary(const ClientOptions& options, Clock& clock, const std::stop_token& stop) {
  Error last = retry_error("there is no sentinel to ask");
  bool unknown = false;
  for (const Uri& node : options.sentinel.nodes) {
    if (stop.stop_requested()) return retry_error("stopping while the sentinels were asked");
    auto primary = ask(options, node, clock, stop);
    if (primary && *primary) return std::move(**primary);
    if (primary) {
      unknown = true;
    } else {
      last = std::move(primary).error();
      if (last.next == Next::kStop) return last;
    }
  }
  if (unknown) {
    return stop_error("the sentinels do not know a primary called " + options.sentinel.master,
                      "see redis.sentinel.master.name, and SENTINEL MASTERS on one of them");
  }
  return retry_error("no sentinel tells where the primary is; the last one: " + last.message, last.hint);
}

Status check_primary(Client& client) {
  auto reply = client.call({"ROLE"});
  if (!reply) return std::move(reply).error();
  if (reply->is_error()) return reply_error("ROLE", reply->text);
  if (reply->is_array() && !reply->elements.empty() && reply->elements.front().text == "master") return {};
  return retry_error("the server that the sentinels call primary is none (yet): a failover is under way");
}

Result<Uri> parse_node(std::string_view text, std::uint16_t default_port) {
  const std::string_view behind = text.substr(std::min(text.size(), text.rfind(']') + 1));
  const bool has_port = behind.find(':') != std::string_view::npos;
  const std::string port = ":" + std::to_string(default_port);
  auto uri = parse_uri("redis://" + std::string(text) + (has_port ? "" : port));
  if (uri && uri->username.empty() && uri->password.empty() && uri->database == 0 &&
      text.find('/') == std::string_view::npos)
    return uri;
  return stop_error("a node is not written as host:port",
                    "write for example 10.0.0.1" + port + ",10.0.0.2" + port);
}

}  // namespace millrace::redis
