// The one file that knows cpp-httplib: it parses requests and writes answers on connections that the server
// gives it, and carries the client.
#include <fmt/format.h>
#include <httplib.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "http/client.h"
#include "http/engine.h"
#include "http/url.h"

namespace millrace {
namespace {

constexpr std::int64_t kIdleMs = 5000;       // between two requests of a connection
constexpr std::int64_t kRequestMs = 15'000;  // for a request to arrive whole
constexpr std::int64_t kSendMs = 15'000;     // for a client to take anything at all
constexpr std::size_t kMaxRequests = 1000;   // of one connection
// httplib matches paths with std::regex, which recurses a few frames a character.
constexpr std::size_t kMaxTargetBytes = 2000;
// A request's line and headers together: httplib bounds neither their number nor a line without an end.
constexpr std::size_t kMaxHeadBytes = 64U << 10U;

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// A connection as httplib wants it. Buffered, since httplib reads headers byte by byte; every wait ends when
/// the server stops.
class Connection final : public httplib::Stream {
 public:
  /// No request may have more than `max_bytes` in all.
  Connection(const FileHandle& handle, const StopEvent& stop, std::size_t max_bytes)
      : fd_(handle.get()), stop_(stop), max_bytes_(max_bytes) {}

  /// False when no further request came in time.
  bool wait_for_request() {
    deadline_ms_ = now_ms() + kRequestMs;
    received_ = end_ - begin_;
    if (begin_ < end_) return true;
    return wait_for(fd_, POLLIN, stop_, kIdleMs);
  }

  bool is_readable() const override {
    return begin_ < end_ || wait_for(fd_, POLLIN, stop_, deadline_ms_ - now_ms());
  }
  bool is_writable() const override { return wait_for(fd_, POLLOUT, stop_, kSendMs); }

  ssize_t read(char* to, size_t size) override {
    if (begin_ == end_ && !fill()) return -1;
    const std::size_t taken = std::min(size, end_ - begin_);
    std::memcpy(to, buffer_.data() + begin_, taken);
    begin_ += taken;
    return static_cast<ssize_t>(taken);
  }

  ssize_t write(const char* from, size_t size) override {
    std::size_t sent = 0;
    while (sent < size) {
      const ssize_t got = ::send(fd_, from + sent, size - sent, MSG_NOSIGNAL);
      if (got > 0) {
        sent += static_cast<std::size_t>(got);
      } else if (errno == EINTR) {
        continue;
      } else if ((errno != EAGAIN && errno != EWOULDBLOCK) || !is_writable()) {
        return -1;
      }
    }
    return static_cast<ssize_t>(size);
  }

  void get_remote_ip_and_port(std::string& ip, int& port) const override {
    ip.clear();
    port = 0;
  }
  void get_local_ip_and_port(std::string& ip, int& port) const override { get_remote_ip_and_port(ip, port); }
  socket_t socket() const override { return fd_; }

 private:
  /// 0 at the end of what the peer sends is a failure too: httplib asks for bytes only where some must come.
  bool fill() {
    if (received_ > max_bytes_) return false;
    for (;;) {
      const ssize_t got = ::recv(fd_, buffer_.data(), buffer_.size(), 0);
      if (got > 0) {
        begin_ = 0;
        end_ = static_cast<std::size_t>(got);
        received_ += end_;
        return true;
      }
      if (got == 0) return false;
      if (errno == EINTR) continue;
      if ((errno != EAGAIN && errno != EWOULDBLOCK) ||
          !wait_for(fd_, POLLIN, stop_, deadline_ms_ - now_ms())) {
        return false;
      }
    }
  }

  const int fd_;
  const StopEvent& stop_;
  const std::size_t max_bytes_;
  std::size_t received_ = 0;  // of the request at hand
  std::int64_t deadline_ms_ = 0;
  std::array<char, 4096> buffer_{};
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

bool has_body(const httplib::Request& request) {
  return request.has_header("Content-Length") || request.has_header("Transfer-Encoding");
}

/// Why a request is refused before anyone looks at it; empty: it is not. There is no login, so a page that a
/// browser has loaded from elsewhere must not be able to use the user's access: neither by a form (Origin)
/// nor by a name that it lets point to this machine (Host).
std::string_view refusal(const httplib::Request& request, const HttpEngineLimits& limits) {
  const std::string host = request.get_header_value("Host");
  const auto parsed = parse_http_url("http://" + host);
  if (limits.loopback_only && (!parsed || !is_loopback_host(parsed->host))) {
    return "the request names another host than this machine; http.allow.remote: true allows it";
  }
  if (request.has_header("Origin") && request.get_header_value("Origin") != "http://" + host) {
    return "requests from pages of another origin are refused";
  }
  return {};
}

}  // namespace

class HttpEngine::Impl final : private httplib::Server {
 public:
  Impl(const HttpEngineLimits& limits, const HttpRouter& router, const StopEvent& stop_event,
       std::stop_token stop)
      : limits_(limits), router_(router), stop_event_(stop_event), stop_(std::move(stop)) {
    // A streamed answer goes on only while this looks like a listening server.
    svr_sock_ = 0;
    set_payload_max_length(limits.max_body_bytes);
    set_keep_alive_max_count(kMaxRequests);
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      return before_routing(request, response);
    });
    const auto with_body = [this](const httplib::Request& request, httplib::Response& response,
                                  const httplib::ContentReader& reader) {
      handle(request, response, reader);
    };
    constexpr const char* kAny = R"([\s\S]*)";
    Post(kAny, with_body);
    Put(kAny, with_body);
    Patch(kAny, with_body);
    Delete(kAny, with_body);
  }

  ~Impl() override { svr_sock_ = INVALID_SOCKET; }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void serve(const FileHandle& handle) {
    Connection connection(handle, stop_event_, kMaxHeadBytes + limits_.max_body_bytes);
    for (std::size_t i = 0; i < kMaxRequests && connection.wait_for_request(); ++i) {
      bool closed = false;
      bool had_body = false;
      bool understood = false;
      const bool ok =
          process_request(connection, i + 1 == kMaxRequests, closed, [&](httplib::Request& request) {
            had_body = has_body(request);
            understood = true;
            // Our answers are no files; many ranges would copy one many times.
            request.ranges.clear();
          });
      // A body may not have been read to its end, or a head was broken off: what is left of it must not be
      // taken for a request.
      if (!ok || closed || had_body || !understood) break;
    }
    ::shutdown(handle.get(), SHUT_WR);
  }

 private:
  HandlerResponse before_routing(const httplib::Request& request, httplib::Response& response) {
    // See `serve`: the client must know, or it sends its next request into a closing connection.
    if (has_body(request)) response.set_header("Connection", "close");
    if (request.target.size() > kMaxTargetBytes) {
      send(http_error(414, "the path is too long"), response);
      return HandlerResponse::Handled;
    }
    if (const std::string_view why = refusal(request, limits_); !why.empty()) {
      send(http_error(403, why), response);
      return HandlerResponse::Handled;
    }
    const std::string& method = request.method;
    const bool may_have_body = method == "POST" || method == "PUT" || method == "PATCH" || method == "DELETE";
    // Without either header there is no body, as RFC 9112 has it; httplib would read until the client closes.
    if (may_have_body && has_body(request)) return HandlerResponse::Unhandled;
    answer(request, {}, response);
    return HandlerResponse::Handled;
  }

  void handle(const httplib::Request& request, httplib::Response& response,
              const httplib::ContentReader& reader) {
    std::string body;
    // Counted behind any decompression.
    bool too_large = false;
    const bool whole = reader([&](const char* data, size_t size) {
      too_large = body.size() + size > limits_.max_body_bytes;
      if (!too_large) body.append(data, size);
      return !too_large;
    });
    if (too_large || response.status == 413) return send(http_error(413, "the body is too large"), response);
    if (!whole) return send(http_error(400, "the body is malformed"), response);
    answer(request, std::move(body), response);
  }

  void answer(const httplib::Request& from, std::string body, httplib::Response& response) {
    const std::string_view target = from.target;
    const std::size_t mark = target.find('?');
    auto query = parse_query(mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1));
    if (!query) return send(http_error(400, "the query is malformed"), response);
    HttpRequest request;
    request.method = from.method;
    request.path = target.substr(0, mark);
    request.query = *std::move(query);
    request.body = std::move(body);
    request.stop = stop_;
    send(router_.dispatch(request), response);
  }

  void send(HttpResponse from, httplib::Response& to) {
    to.status = from.status;
    to.set_header("Cache-Control", "no-store");
    to.set_header("X-Content-Type-Options", "nosniff");
    for (const auto& [name, value] : from.headers) to.set_header(name, value);
    if (!from.stream) {
      to.set_content(from.body, from.content_type);
      return;
    }
    to.set_chunked_content_provider(from.content_type,
                                    [this, next = std::move(from.stream), chunk = std::string()](
                                        size_t, httplib::DataSink& sink) mutable {
                                      chunk.clear();
                                      const bool more = next(chunk);
                                      if (!chunk.empty() && !sink.write(chunk.data(), chunk.size()))
                                        return false;
                                      if (!more) sink.done();
                                      return !stop_.stop_requested() || !more;
                                    });
  }

  const HttpEngineLimits limits_;
  const HttpRouter& router_;
  const StopEvent& stop_event_;
  const std::stop_token stop_;
};

HttpEngine::HttpEngine(const HttpEngineLimits& limits, const HttpRouter& router, const StopEvent& stop_event,
                       std::stop_token stop)
    : impl_(std::make_unique<Impl>(limits, router, stop_event, std::move(stop))) {}
HttpEngine::~HttpEngine() = default;
void HttpEngine::serve(FileHandle connection) {
  try {
    impl_->serve(connection);
  } catch (const std::exception&) {
    // No memory, say. It costs this connection, which ends here, and no other.
    return;
  }
}

// ---- client

namespace {

Error no_answer(const HostPort& server, httplib::Error error) {
  return reconnect_error(
      fmt::format("no answer from http://{} ({})", server.text(), httplib::to_string(error)));
}

}  // namespace

struct HttpClient::Impl {
  explicit Impl(const HostPort& to) : server(to), client(to.host, to.port) {
    client.set_connection_timeout(std::chrono::seconds(5));
    client.set_keep_alive(true);
    client.set_follow_location(false);
    client.set_url_encode(false);
    client.set_tcp_nodelay(true);
  }

  template <typename Call>
  Result<HttpAnswer> run(std::int64_t timeout_ms, const Call& call) {
    client.set_read_timeout(std::chrono::milliseconds(timeout_ms));
    try {
      const httplib::Result result = call();
      if (!result) return no_answer(server, result.error());
      HttpAnswer answer{result->status, result->body, {}};
      for (const auto& [name, value] : result->headers) answer.headers.emplace(name, value);
      return answer;
    } catch (const std::exception&) {
      return no_answer(server, httplib::Error::Unknown);
    }
  }

  HostPort server;
  httplib::Client client;
};

HttpClient::HttpClient(const HostPort& server) : impl_(std::make_unique<Impl>(server)) {}
HttpClient::~HttpClient() = default;

Result<HttpAnswer> HttpClient::get(const std::string& path, std::int64_t timeout_ms) {
  return impl_->run(timeout_ms, [&] { return impl_->client.Get(path); });
}

Result<HttpAnswer> HttpClient::post(const std::string& path, const std::string& body,
                                    std::int64_t timeout_ms) {
  return impl_->run(timeout_ms, [&] { return impl_->client.Post(path, body, "application/json"); });
}

Result<HttpAnswer> HttpClient::get_stream(const std::string& path,
                                          const std::function<bool(std::string_view)>& take,
                                          std::int64_t timeout_ms) {
  int status = 0;
  bool ended = false;
  std::string other;
  auto answer = impl_->run(timeout_ms, [&] {
    return impl_->client.Get(
        path,
        [&](const httplib::Response& response) {
          status = response.status;
          return true;
        },
        [&](const char* data, size_t size) {
          if (status != 200) {
            other.append(data, size);
            return true;
          }
          ended = !take({data, size});
          return !ended;
        });
  });
  if (ended) return HttpAnswer{status, {}, {}};
  if (answer) answer->body = std::move(other);
  return answer;
}

}  // namespace millrace
