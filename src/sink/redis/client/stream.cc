#include "sink/redis/client/stream.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sink/redis/client/client.h"

namespace millrace::redis {
namespace {

constexpr std::int64_t kStepMs = 100;

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

std::string system_text(int code) {
  std::array<char, 128> text{};
  return strerror_r(code, text.data(), text.size());
}

using Patience = Stream::Patience;

/// Nothing when `descriptor` is ready for `events`; else `late` once the time is over, or that we are
/// stopping.
Status wait_ready(int descriptor, short events, const Patience& patience, const Error& late) {
  for (;;) {
    const std::int64_t left_us = patience.until_us - patience.clock.now_us();
    const std::int64_t wait_ms = std::clamp<std::int64_t>((left_us + 999) / 1000, 0, kStepMs);
    pollfd entry{descriptor, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(wait_ms));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return retry_error("poll failed: " + system_text(errno));
    if (patience.stop.stop_requested()) return retry_error("stopping while it had not answered yet");
    if (ready == 0 && left_us <= kStepMs * 1000) return late;
  }
}

class PlainStream final : public Stream {
 public:
  explicit PlainStream(Descriptor socket) : socket_(std::move(socket)) {}

  Result<Moved> write(std::string_view bytes) override {
    return moved(::send(socket_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT), false);
  }
  Result<Moved> read(char* to, std::size_t size) override {
    return moved(::recv(socket_.number(), to, size, MSG_DONTWAIT), true);
  }
  [[nodiscard]] bool pending() const override { return false; }
  [[nodiscard]] int descriptor() const override { return socket_.number(); }

 private:
  static Result<Moved> moved(ssize_t count, bool reading) {
    if (count > 0) return Moved{static_cast<std::size_t>(count), false};
    if (count == 0) return Moved{0, reading};
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return Moved{};
    return reconnect_error(system_text(errno));
  }
  Descriptor socket_;
};

std::string tls_text() {
  const unsigned long code = ERR_get_error();
  if (code == 0) return "the TLS connection broke off";
  std::array<char, 256> text{};
  ERR_error_string_n(code, text.data(), text.size());
  return text.data();
}

struct FreeTls {
  void operator()(SSL* tls) const { SSL_free(tls); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

class TlsStream final : public Stream {
 public:
  explicit TlsStream(Descriptor socket) : socket_(std::move(socket)) {}

  Status start(const ClientOptions& options, const Patience& patience) {
    MILLRACE_TRY(prepare(options));
    for (;;) {
      ERR_clear_error();
      const int done = SSL_connect(tls_.get());
      if (done == 1) return {};
      const int why = SSL_get_error(tls_.get(), done);
      if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) return handshake_error();
      const short events = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
      MILLRACE_TRY(wait_ready(
          socket_.number(), events, patience,
          reconnect_error("the TLS handshake took too long", "check that the port of redis.uri speaks TLS")));
    }
  }

  Result<Moved> write(std::string_view bytes) override {
    ERR_clear_error();
    std::size_t count = 0;
    const int done = SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &count);
    Result<Moved> out = moved(done, count);
    if (out) return out;
    char byte = 0;  // the server may have said why it went
    const auto said = read(&byte, 1);
    return said ? std::move(out) : Result<Moved>(said.error());
  }
  Result<Moved> read(char* to, std::size_t size) override {
    ERR_clear_error();
    std::size_t count = 0;
    const int done = SSL_read_ex(tls_.get(), to, size, &count);
    return moved(done, count);
  }
  [[nodiscard]] bool pending() const override { return SSL_pending(tls_.get()) > 0; }
  [[nodiscard]] int descriptor() const override { return socket_.number(); }

 private:
  Status prepare(const ClientOptions& options) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    if (!context_) return stop_error("TLS cannot be set up: " + tls_text());
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    const bool trusted = options.ca_file.empty() ? SSL_CTX_set_default_verify_paths(context_.get()) == 1
                                                 : SSL_CTX_load_verify_locations(
                                                       context_.get(), options.ca_file.c_str(), nullptr) == 1;
    if (!trusted) return stop_error("redis.cacert: the certificates cannot be read: " + tls_text());
    if (!options.cert_file.empty() &&
        (SSL_CTX_use_certificate_chain_file(context_.get(), options.cert_file.c_str()) != 1 ||
         SSL_CTX_use_PrivateKey_file(context_.get(), options.key_file.c_str(), SSL_FILETYPE_PEM) != 1)) {
      return stop_error("redis.key.cert, redis.key.file: the certificate or its key cannot be read: " +
                        tls_text());
    }
    SSL_CTX_set_verify(context_.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    tls_.reset(SSL_new(context_.get()));
    if (!tls_ || SSL_set_fd(tls_.get(), socket_.number()) != 1)
      return stop_error("TLS cannot be set up: " + tls_text());
    in6_addr address{};
    const char* host = options.uri.host.c_str();
    const bool is_address =
        ::inet_pton(AF_INET, host, &address) == 1 || ::inet_pton(AF_INET6, host, &address) == 1;
    X509_VERIFY_PARAM* param = SSL_get0_param(tls_.get());
    const int named = is_address ? X509_VERIFY_PARAM_set1_ip_asc(param, host)
                                 : X509_VERIFY_PARAM_set1_host(param, host, options.uri.host.size());
    if (named != 1) return stop_error("TLS cannot be set up for this host name");
    if (!is_address) {  // SSL_set_tlsext_host_name, without its C cast
      std::string name = options.uri.host;
      SSL_ctrl(tls_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    }
    return {};
  }

  Status handshake_error() {
    const long verified = SSL_get_verify_result(tls_.get());
    if (verified != X509_V_OK) {
      return stop_error(
          std::string("the server's certificate is not trusted: ") + X509_verify_cert_error_string(verified),
          "name the authority's certificate in redis.cacert");
    }
    return reconnect_error("the TLS handshake failed: " + tls_text(),
                           "check that the port of redis.uri speaks TLS");
  }

  Result<Moved> moved(int done, std::size_t count) {
    if (done == 1) return Moved{count, false};
    switch (SSL_get_error(tls_.get(), done)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return Moved{};
      case SSL_ERROR_ZERO_RETURN:
        return Moved{0, true};
      default:
        return reconnect_error(tls_text());
    }
  }

  Descriptor socket_;
  std::unique_ptr<SSL_CTX, FreeTls> context_;
  std::unique_ptr<SSL, FreeTls> tls_;
};

/// Notices a peer that is gone without a word: by probes when idle, by unacknowledged bytes when not.
void watch_peer(int descriptor, std::int64_t timeout_ms) {
  const auto set = [descriptor](int level, int name, int value) {
    static_cast<void>(
        ::setsockopt(descriptor, level, name, &value, sizeof(value)));  // not fatal: the reply timeout stays
  };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set(IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::clamp<std::int64_t>(timeout_ms, 1'000, 600'000)));
}

Result<Descriptor> connect_to(const sockaddr* address, socklen_t size, int family, const Patience& patience) {
  Descriptor socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.number() < 0) return retry_error("no socket: " + system_text(errno));
  if (::connect(socket.number(), address, size) == 0) return socket;
  if (errno != EINPROGRESS) return retry_error(system_text(errno));
  MILLRACE_TRY(wait_ready(socket.number(), POLLOUT, patience, retry_error("no answer in time")));
  int code = 0;
  socklen_t code_size = sizeof(code);
  if (::getsockopt(socket.number(), SOL_SOCKET, SO_ERROR, &code, &code_size) != 0) code = errno;
  if (code != 0) return retry_error(system_text(code));
  return socket;
}

Result<Descriptor> connect_unix(const std::string& path, const Patience& patience) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return stop_error("the path of the Unix socket is too long");
  std::memcpy(address.sun_path, path.data(), path.size());
  return connect_to(reinterpret_cast<const sockaddr*>(&address), sizeof(address), AF_UNIX, patience);
}

Result<Descriptor> connect_tcp(const Uri& uri, const Patience& patience) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(uri.host.c_str(), std::to_string(uri.port).c_str(), &hints, &found);
  if (code != 0) return retry_error(std::string("the host name is not known: ") + ::gai_strerror(code));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
  Error last = retry_error("the host has no address");
  std::int64_t left = 0;
  for (const addrinfo* a = addresses.get(); a != nullptr; a = a->ai_next) ++left;
  for (const addrinfo* a = addresses.get(); a != nullptr && !patience.stop.stop_requested(); a = a->ai_next) {
    const std::int64_t now_us = patience.clock.now_us();
    const Patience share{patience.clock, now_us + (patience.until_us - now_us) / left--, patience.stop};
    auto socket = connect_to(a->ai_addr, a->ai_addrlen, a->ai_family, share);
    if (socket) return socket;
    last = std::move(socket).error();
  }
  return last;
}

}  // namespace

Result<std::unique_ptr<Stream>> Stream::open(const ClientOptions& options, const Patience& patience) {
  const bool is_unix = !options.uri.unix_path.empty();
  auto socket = is_unix ? connect_unix(options.uri.unix_path, patience) : connect_tcp(options.uri, patience);
  if (!socket) return std::move(socket).error();
  if (!is_unix) watch_peer(socket->number(), options.reply_timeout_ms);
  if (!options.uri.tls) return std::unique_ptr<Stream>(std::make_unique<PlainStream>(std::move(*socket)));
  auto tls = std::make_unique<TlsStream>(std::move(*socket));
  MILLRACE_TRY(tls->start(options, patience));
  return std::unique_ptr<Stream>(std::move(tls));
}

}  // namespace millrace::redis
