#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "sink/redis/client/client.h"
#include "sink/redis/client/slot_map.h"

namespace millrace::redis {

/// The servers that hold a sink's keys: one, or the masters of a cluster with a connection to each, as the
/// cluster was when it was asked. When a slot turns out to be elsewhere this is of no use any more: the
/// reconnect error says so, and whoever holds it connects anew. A slot on the move is followed (ASK). One
/// thread; the clock outlives it.
class Servers {
 public:
  /// As Client::connect. Of a cluster, each node named is asked in turn for the slots, then each master is
  /// connected to; a master that is away is a retry error that names it with its slots.
  [[nodiscard]] static Result<std::unique_ptr<Servers>> connect(const ClientOptions& options, Clock& clock,
                                                                const std::stop_token& stop);

  [[nodiscard]] bool is_cluster() const { return map_.has_value(); }
  [[nodiscard]] std::size_t size() const { return clients_.size(); }
  [[nodiscard]] Client& client(std::size_t node) { return *clients_[node]; }
  /// Where a key lives.
  [[nodiscard]] std::size_t node_of(std::string_view key) const {
    return map_ ? map_->owner[slot_of(key)] : 0;
  }
  /// Of a cluster only.
  [[nodiscard]] const SlotMap& map() const { return *map_; }
  /// `error` with the node and its slots in front, in a cluster.
  [[nodiscard]] Error at_node(std::size_t node, Error error) const;
  [[nodiscard]] std::string name(std::size_t node) const;

  /// Sends and receives on all connections; see Client::exchange.
  [[nodiscard]] Status exchange(std::int64_t until_us, bool wait_idle = false);
  /// Sends what the sockets take now.
  [[nodiscard]] Status send();

  /// One command at one server; no replies may be missing there. Error replies are values, but for a slot
  /// that has moved away.
  [[nodiscard]] Result<Reply> call(std::size_t node, const std::vector<std::string>& command);
  /// The same of a command as on the wire.
  [[nodiscard]] Result<Reply> call_wire(std::size_t node, std::string_view command);
  /// The same where `key` lives.
  [[nodiscard]] Result<Reply> call_key(std::string_view key, const std::vector<std::string>& command);

  /// Many commands at once: `put` each, then `take` the replies in the order in which they were put. Nothing
  /// else may be in flight.
  void put(std::size_t node, const std::vector<std::string>& command);
  [[nodiscard]] Result<std::vector<Reply>> take();

  /// What the reply to `command` (as on the wire) really is: as it stands, or of the node that it names
  /// (ASK). An error when the slot has moved for good.
  [[nodiscard]] Result<Reply> follow(std::size_t node, Reply reply, std::string_view command);
  /// Makes a script known to all servers and answers its name.
  [[nodiscard]] Result<std::string> load_script(std::string_view text);
  /// What `follow` is to wait for behind a write; see redis.wait.replicas.
  void set_wait(std::int64_t replicas, std::int64_t timeout_ms) {
    wait_replicas_ = replicas;
    wait_timeout_ms_ = timeout_ms;
  }
  /// An error while the cluster gives slots from one node to another: SCAN may then miss keys.
  [[nodiscard]] Status check_settled();

 private:
  struct Asked {
    HostPort at;
    std::unique_ptr<Client> client;
  };
  Servers(const ClientOptions& options, Clock& clock, std::stop_token stop)
      : options_(options), clock_(clock), stop_(std::move(stop)) {}
  Status open_cluster();
  Result<SlotMap> learn_map();
  Result<Client*> importer(const HostPort& at);
  Status wait_for_replicas(Client& client) const;
  Result<std::unique_ptr<Client>> connect_to(const HostPort& at);

  ClientOptions options_;
  Clock& clock_;
  std::stop_token stop_;
  std::optional<SlotMap> map_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<Client*> pointers_;
  std::vector<Asked> asked_;          ///< nodes that a slot moves to, for ASK
  std::vector<std::string> scripts_;  ///< for these
  struct Put {
    std::size_t node;
    std::string command;  ///< of a cluster only
  };
  std::vector<Put> put_;
  std::int64_t wait_replicas_ = 0;
  std::int64_t wait_timeout_ms_ = 0;
};

}  // namespace millrace::redis
