#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/client/uri.h"

namespace millrace::redis {

/// Sentinels that know where the primary is.
struct SentinelOptions {
  std::string master;  ///< the name they know it by; empty: there are none, the server is where the URI says
  std::vector<Uri> nodes;  ///< host and port of each
  std::string username;
  std::string password;
};

struct ClientOptions {
  Uri uri;  ///< with sentinels, or of a cluster: login, database and TLS only
  SentinelOptions sentinel;
  std::vector<Uri> cluster;  ///< host and port of nodes that know a cluster; none: it is no cluster
  std::string ca_file;       ///< TLS: certificates to trust; empty: the system's
  std::string cert_file;     ///< TLS: our own certificate and its key, both or none
  std::string key_file;
  bool verify = true;  ///< TLS: the server's certificate must be good and name the host
  std::int64_t connect_timeout_ms = 5'000;
  std::int64_t reply_timeout_ms = 10'000;  ///< no byte either way for so long while replies are missing: gone
};

/// Whether both lead to the same data, as far as the names tell.
[[nodiscard]] bool same_server(const ClientOptions& a, const ClientOptions& b);

class Stream;

/// One connection to Redis. Knows bytes, commands and replies, no rules. Never blocks but in `connect`,
/// `exchange` and `call`, and there no longer than said. Owned by one thread; the clock outlives it.
class Client {
 public:
  /// Connects, does TLS, AUTH and SELECT; with sentinels to the server that they call primary and that says
  /// so itself. A wrong password is a stop error, a server that is away or busy a retry.
  [[nodiscard]] static Result<std::unique_ptr<Client>> connect(const ClientOptions& options, Clock& clock,
                                                               const std::stop_token& stop);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Where commands are appended; `expect` tells how many replies they will have.
  [[nodiscard]] std::string& out() { return out_; }
  void expect(std::size_t replies) { missing_ += replies; }
  [[nodiscard]] std::size_t missing_replies() const { return missing_; }
  [[nodiscard]] std::size_t unsent_bytes() const { return out_.size() - sent_; }

  /// Sends what the socket takes and reads what has come, both in one go so that neither side waits on a full
  /// buffer. Returns once bytes have come, `until_us`, or (unless `wait_idle`) all has been sent with no
  /// reply missing. Waits in steps of at most 100 ms, after each of which it returns when a stop has been
  /// asked for. A reconnect error when the connection is gone or has been silent too long.
  [[nodiscard]] Status exchange(std::int64_t until_us, bool wait_idle = false);
  /// The same for several connections of one thread and clock, of which there is one at least: returns once
  /// bytes have come on any of them; idle are all or none. `failed`: the one that the error is of.
  [[nodiscard]] static Status exchange(std::span<Client* const> clients, std::int64_t until_us,
                                       bool wait_idle, std::size_t& failed);
  /// Sends what the socket takes now. Does not wait and does not read.
  [[nodiscard]] Status send();
  /// The next whole reply that has come, or false.
  [[nodiscard]] Result<bool> next(Reply& reply);

  /// One command and its reply; no other replies may be missing. An error reply is a value here.
  [[nodiscard]] Result<Reply> call(const std::vector<std::string>& arguments);
  /// The same of a command as on the wire.
  [[nodiscard]] Result<Reply> call_wire(std::string_view command);

 private:
  Client(const ClientOptions& options, Clock& clock, std::stop_token stop);
  Status open(const ClientOptions& options);
  Status log_in(const Uri& uri);
  Status receive(bool& came);
  [[nodiscard]] bool idle() const { return unsent_bytes() == 0 && missing_ == 0; }
  Status check_silence(std::int64_t now_us) const;
  Error gone(const std::string& why) const;

  std::unique_ptr<Stream> stream_;
  Clock& clock_;
  std::stop_token stop_;
  std::string where_;
  std::int64_t reply_timeout_us_;
  std::string out_;
  std::size_t sent_ = 0;
  std::size_t missing_ = 0;
  std::int64_t last_moved_us_ = 0;
  ReplyParser parser_;
  std::string inbox_;
};

/// `error` without what Redis puts in front of the reason when EXEC or a script is refused.
[[nodiscard]] std::string_view bare_error(std::string_view error);

/// What helps against an error reply to a command of its own: busy, full or restarting servers are a retry, a
/// wrong login or a missing right a stop; the rest is a stop that names the command `what`. Never holds cell
/// values.
[[nodiscard]] Error reply_error(std::string_view what, std::string_view error);

/// A retry error unless the reply to WAIT says that `wanted` replicas have what was written.
[[nodiscard]] Status check_replicas(const Reply& reply, std::int64_t wanted);

/// Next for an error reply by its code (`OOM`, `NOPERM`, ...); kReject when the code says nothing about the
/// server.
[[nodiscard]] Next next_of_error(std::string_view error);

}  // namespace millrace::redis
