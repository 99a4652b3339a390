#include "sink/redis/client/client.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "sink/redis/client/sentinel.h"
#include "sink/redis/client/stream.h"

namespace millrace::redis {
namespace {

constexpr std::size_t kInboxBytes = 64U << 10U;
constexpr std::size_t kKeepOutBytes = 8U << 20U;
constexpr std::int64_t kStepUs = 100'000;

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

/// A script may run, and not do what it does. Redis tells that as an error of no kind.
bool is_missing_right(std::string_view error) {
  return starts_with(error, "NOPERM") || error.find("ACL failure in script") != std::string_view::npos;
}

}  // namespace

std::string_view bare_error(std::string_view error) {
  static constexpr std::string_view kAborted = "EXECABORT Transaction discarded because of: ";
  if (starts_with(error, kAborted)) error.remove_prefix(kAborted.size());
  if (!starts_with(error, "ERR Error running script")) return error;  // Redis 6
  const std::size_t at = error.find(": -");
  return at == std::string_view::npos ? error : error.substr(at + 3);
}

Next next_of_error(std::string_view error) {
  error = bare_error(error);
  if (is_missing_right(error)) return Next::kStop;
  const std::string_view code = error.substr(0, error.find(' '));
  for (const std::string_view busy :
       {"OOM", "READONLY", "LOADING", "MASTERDOWN", "BUSY", "MISCONF", "NOREPLICAS", "TRYAGAIN",
        "CLUSTERDOWN", "NOSCRIPT", "UNBLOCKED", "EXECABORT"}) {
    if (code == busy) return Next::kRetry;
  }
  for (const std::string_view refused : {"NOAUTH", "WRONGPASS", "MOVED", "ASK", "CROSSSLOT", "NOPROTO"}) {
    if (code == refused) return Next::kStop;
  }
  if (starts_with(error, "ERR unknown command") || starts_with(error, "ERR max number of clients") ||
      starts_with(error, "ERR AUTH") || starts_with(error, "ERR invalid password")) {
    return starts_with(error, "ERR max") ? Next::kRetry : Next::kStop;
  }
  // Scripts report what happened to them in words only.
  if (error.find("Script killed by user") != std::string_view::npos) return Next::kRetry;
  if (error.find("Unknown Redis command called from script") != std::string_view::npos) return Next::kStop;
  return Next::kReject;
}

namespace {

/// `... User app has no permissions ...`; older servers do not say which.
std::string user_in(std::string_view error) {
  constexpr std::string_view kFront = "User ";
  const std::size_t end = error.find(" has no permissions");
  const std::size_t from = end == std::string_view::npos ? end : error.rfind(kFront, end);
  if (from == std::string_view::npos) return "name";
  return std::string(error.substr(from + kFront.size(), end - from - kFront.size()));
}

/// A NOPERM names the command that lacks (`... to run the 'json.set' command`), or it is about keys.
Error right_missing(std::string_view what, std::string_view error) {
  const std::size_t from = error.find('\'');
  const std::size_t to = from == std::string_view::npos ? from : error.find('\'', from + 1);
  const std::string start = "Redis refused " + std::string(what) + ": ";
  const std::string setuser = "ACL SETUSER " + user_in(error);
  if (to == std::string_view::npos) {
    return stop_error(
        start + "the user may not use one of the keys (NOPERM)",
        setuser + " ~pattern, for the keys of the rows, for millrace:* and for the names of indexes");
  }
  std::string command(error.substr(from + 1, std::min<std::size_t>(to - from - 1, 40)));
  std::replace(command.begin(), command.end(), ' ', '|');
  return stop_error(start + "the user may not run " + command + " (NOPERM)",
                    setuser + " +" + command + "; docs/delivery.md lists what a sink needs");
}

}  // namespace

Error reply_error(std::string_view what, std::string_view error) {
  error = bare_error(error);
  const std::string_view code = error.substr(0, error.find(' '));
  const auto with = [&](Next next, std::string text, std::string hint) {
    return Error{next, "Redis refused " + std::string(what) + ": " + std::move(text), std::move(hint)};
  };
  if (code == "OOM") {
    return with(Next::kRetry, "it is out of memory (OOM)",
                "raise maxmemory, or remove keys; nothing is lost meanwhile");
  }
  if (code == "READONLY") {
    return with(Next::kRetry, "it is a read-only replica (READONLY)",
                "point redis.uri at the primary, or name its sentinels in redis.sentinel.nodes");
  }
  if (code == "LOADING") return with(Next::kRetry, "it is still loading its data (LOADING)", "");
  if (code == "MASTERDOWN") return with(Next::kRetry, "it is a replica without a primary (MASTERDOWN)", "");
  if (code == "BUSY")
    return with(Next::kRetry, "a script keeps it busy (BUSY)", "SCRIPT KILL ends the script");
  if (code == "MISCONF") {
    return with(Next::kRetry, "it cannot save its data to disk and takes no writes (MISCONF)",
                "look at its disk and log");
  }
  if (code == "NOREPLICAS") return with(Next::kRetry, "it has too few replicas (NOREPLICAS)", "");
  if (code == "NOSCRIPT") return with(Next::kRetry, "its scripts were flushed (NOSCRIPT)", "");
  if (code == "NOAUTH") {
    return with(Next::kStop, "a login is needed (NOAUTH)",
                "set redis.password, and redis.username if the user is not default");
  }
  if (code == "WRONGPASS" || starts_with(error, "ERR invalid password") || starts_with(error, "ERR AUTH")) {
    return with(Next::kStop, "user name or password is wrong (WRONGPASS)",
                "check redis.username and redis.password");
  }
  if (is_missing_right(error)) return right_missing(what, error);
  if (code == "MOVED" || code == "ASK" || code == "CROSSSLOT") {
    return with(Next::kStop, "it is a cluster", "name its nodes in redis.cluster.nodes");
  }
  if (code == "CLUSTERDOWN") {
    return with(Next::kRetry, "the cluster does not serve all its slots (CLUSTERDOWN)",
                "see CLUSTER NODES; a failover may be under way");
  }
  if (code == "TRYAGAIN") {
    return with(Next::kRetry, "keys that belong together are at two nodes while their slot moves (TRYAGAIN)",
                "it goes on when the slot has moved");
  }
  if (starts_with(error, "ERR unknown command")) {
    return with(Next::kStop, "it does not know the command",
                "use Redis Stack, or Redis 8, which have JSON and search");
  }
  if (next_of_error(error) == Next::kRetry) return with(Next::kRetry, std::string(code), "");
  return with(Next::kStop, "error " + std::string(code), "look at the server's log");
}

Status check_replicas(const Reply& reply, std::int64_t wanted) {
  if (reply.is_error()) return reply_error("WAIT", reply.text);
  if (reply.as_integer() >= wanted) return {};
  return retry_error("a write has reached " + reply.as_text() + " replicas of the " + std::to_string(wanted) +
                         " it is to reach",
                     "see INFO replication; redis.wait.replicas says how many");
}

bool same_server(const ClientOptions& a, const ClientOptions& b) {
  const auto place = [](Uri uri) {
    if (uri.host == "localhost") uri.host = "127.0.0.1";
    return uri.text();
  };
  if (a.cluster.empty() != b.cluster.empty() || a.sentinel.master != b.sentinel.master) return false;
  if (!a.sentinel.master.empty()) return a.uri.database == b.uri.database;
  if (a.cluster.empty()) return place(a.uri) == place(b.uri);
  return std::ranges::any_of(a.cluster, [&](const Uri& one) {
    return std::ranges::any_of(b.cluster, [&](const Uri& other) { return place(one) == place(other); });
  });
}

Client::Client(const ClientOptions& options, Clock& clock, std::stop_token stop)
    : clock_(clock),
      stop_(std::move(stop)),
      where_(options.uri.text()),
      reply_timeout_us_(options.reply_timeout_ms * 1000) {
  inbox_.resize(kInboxBytes);
}

Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::connect(const ClientOptions& options, Clock& clock,
                                                const std::stop_token& stop) {
  ClientOptions at = options;
  const bool by_sentinel = !options.sentinel.master.empty();
  if (by_sentinel) {
    auto primary = find_primary(options, clock, stop);
    if (!primary) return std::move(primary).error();
    at.uri = std::move(*primary);
  }
  // The constructor is private: no make_unique.
  std::unique_ptr<Client> client(new Client(at, clock, stop));
  MILLRACE_TRY(client->open(at));
  if (by_sentinel) MILLRACE_TRY(check_primary(*client));
  return client;
}

Status Client::open(const ClientOptions& options) {
  auto stream = Stream::open(options, {clock_, clock_.now_us() + options.connect_timeout_ms * 1000, stop_});
  if (!stream) {
    Error error = std::move(stream).error();
    error.message = "cannot connect to Redis at " + where_ + ": " + error.message;
    if (error.hint.empty()) error.hint = "check redis.uri, and that the server is up";
    return error;
  }
  stream_ = std::move(*stream);
  last_moved_us_ = clock_.now_us();
  return log_in(options.uri);
}

Status Client::log_in(const Uri& uri) {
  if (!uri.password.empty() || !uri.username.empty()) {
    auto reply =
        uri.username.empty() ? call({"AUTH", uri.password}) : call({"AUTH", uri.username, uri.password});
    if (!reply) return std::move(reply).error();
    if (reply->is_error()) return reply_error("the login", reply->text);
  }
  if (uri.database != 0) {
    auto reply = call({"SELECT", std::to_string(uri.database)});
    if (!reply) return std::move(reply).error();
    if (reply->is_error()) {
      Error error = reply_error("SELECT " + std::to_string(uri.database), reply->text);
      if (error.next == Next::kStop && error.hint == "look at the server's log")
        error.hint = "check the database number in redis.uri";
      return error;
    }
  }
  return {};
}

Error Client::gone(const std::string& why) const {
  const bool certificate =
      why.find("alert") != std::string::npos &&
      (why.find("certificate") != std::string::npos || why.find("unknown ca") != std::string::npos);
  return reconnect_error("lost the connection to Redis at " + where_ + ": " + why,
                         certificate ? "the server does not take our certificate: see redis.key.cert and "
                                       "redis.key.file, and which authority it trusts"
                                     : "");
}

Status Client::send() {
  while (sent_ < out_.size()) {
    auto moved = stream_->write(std::string_view(out_).substr(sent_));
    if (!moved) return gone(moved.error().message);
    if (moved->bytes == 0) return {};
    sent_ += moved->bytes;
    last_moved_us_ = clock_.now_us();
  }
  out_.clear();
  sent_ = 0;
  if (out_.capacity() > kKeepOutBytes) out_.shrink_to_fit();
  return {};
}

Status Client::receive(bool& came) {
  for (;;) {
    auto moved = stream_->read(inbox_.data(), inbox_.size());
    if (!moved) return gone(moved.error().message);
    if (moved->closed) return gone("the server closed it");
    if (moved->bytes == 0) return {};
    came = true;
    last_moved_us_ = clock_.now_us();
    parser_.feed(std::string_view(inbox_).substr(0, moved->bytes));
    if (moved->bytes < inbox_.size() && !stream_->pending()) return {};
  }
}

Status Client::check_silence(std::int64_t now_us) const {
  if (idle() || now_us - last_moved_us_ <= reply_timeout_us_) return {};
  return gone("no answer for " + std::to_string((now_us - last_moved_us_) / 1000) + " ms");
}

Status Client::exchange(std::int64_t until_us, bool wait_idle) {
  Client* const self = this;
  std::size_t failed = 0;
  return exchange({&self, 1}, until_us, wait_idle, failed);
}

Status Client::exchange(std::span<Client* const> clients, std::int64_t until_us, bool wait_idle,
                        std::size_t& failed) {
  Client& first = *clients.front();
  const std::int64_t stop_at_us = first.clock_.now_us() + kStepUs / 2;
  std::vector<pollfd> entries(clients.size());
  for (;;) {
    bool came = false;
    bool all_idle = true;
    for (failed = 0; failed < clients.size(); ++failed) {
      Client& client = *clients[failed];
      MILLRACE_TRY(client.send());
      MILLRACE_TRY(client.receive(came));
      all_idle = all_idle && client.idle();
    }
    const std::int64_t now_us = first.clock_.now_us();
    if (came || (all_idle && !wait_idle)) return {};
    for (failed = 0; failed < clients.size(); ++failed) MILLRACE_TRY(clients[failed]->check_silence(now_us));
    if (now_us >= until_us) return {};
    if (first.stop_.stop_requested() && now_us >= stop_at_us) return {};
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const int events = POLLIN | (clients[i]->unsent_bytes() > 0 ? POLLOUT : 0);
      entries[i] = {clients[i]->stream_->descriptor(), static_cast<short>(events), 0};
    }
    const std::int64_t wait_us = std::min(until_us - now_us, kStepUs);
    const timespec wait{wait_us / 1'000'000, (wait_us % 1'000'000) * 1000};
    failed = 0;
    if (::ppoll(entries.data(), entries.size(), &wait, nullptr) < 0 && errno != EINTR)
      return first.gone("poll failed");
  }
}

Result<bool> Client::next(Reply& reply) {
  auto found = parser_.next(reply);
  if (!found || !*found) return found;
  if (missing_ == 0) return gone("it sent a reply that was not asked for");
  --missing_;
  if (missing_ > 0) return true;
  last_moved_us_ = clock_.now_us();  // what comes next is asked for later
  return true;
}

Result<Reply> Client::call(const std::vector<std::string>& arguments) {
  std::string command;
  append_command(command, arguments);
  return call_wire(command);
}

Result<Reply> Client::call_wire(std::string_view command) {
  MILLRACE_CHECK(missing_ == 0);
  out_ += command;
  expect(1);
  last_moved_us_ = clock_.now_us();
  Reply reply;
  for (;;) {
    MILLRACE_TRY(exchange(clock_.now_us() + kStepUs));
    auto found = next(reply);
    if (!found) return std::move(found).error();
    if (*found) return reply;
    if (stop_.stop_requested()) return retry_error("stopping while Redis had not answered yet");
  }
}

}  // namespace millrace::redis
