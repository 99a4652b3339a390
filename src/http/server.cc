#include "http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "http/engine.h"
#include "http/socket.h"

namespace millrace {
namespace {

constexpr std::int64_t kAcceptWaitMs = 60'000;

/// What a connection gets that finds neither a thread nor a place to wait.
void turn_away(const FileHandle& connection) {
  constexpr std::string_view kAnswer =
      "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";
  [[maybe_unused]] const ssize_t sent =
      ::send(connection.get(), kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

/// One thread accepts, up to `threads` others answer; a connection keeps its thread until it ends.
class HttpServer::Impl {
 public:
  Impl(HttpServerOptions options, const HttpRouter& router, Logger& logger)
      : options_(std::move(options)), router_(router), logger_(logger) {}

  ~Impl() { stop(); }

  Status start() {
    auto address = parse_host_port(options_.listen);
    if (!address) return stop_error("http.listen: " + address.error().message);
    const bool is_loopback = is_loopback_host(address->host);
    if (!is_loopback && !options_.allow_remote) {
      return stop_error(
          "http.listen names " + address->host +
              ", which other machines may reach, and there are no passwords: they could read every row",
          "listen on 127.0.0.1, or set http.allow.remote: true if the network keeps others out");
    }
    auto listening = listen_on(*address);
    if (!listening) return std::move(listening).error();
    listening_ = *std::move(listening);
    const HttpEngineLimits limits{options_.max_body_bytes, is_loopback && !options_.allow_remote};
    engine_.emplace(limits, router_, stop_event_, stop_source_.get_token());
    acceptor_ = std::thread([this] { accept_all(); });
    return {};
  }

  [[nodiscard]] std::string address() const { return listening_.address.text(); }

  void stop() {
    stop_source_.request_stop();
    stop_event_.set();
    if (acceptor_.joinable()) acceptor_.join();
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      queue_.clear();
    }
    filled_.notify_all();
    // No more are made: only the acceptor, which has ended, makes them.
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
    listening_.handle = FileHandle();
  }

 private:
  void accept_all() {
    while (!stop_source_.stop_requested()) {
      if (!wait_for(listening_.handle.get(), POLLIN, stop_event_, kAcceptWaitMs)) continue;
      FileHandle connection(
          ::accept4(listening_.handle.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!connection.valid()) {
        // Out of descriptors, for one: poll would answer at once again, so wait a little.
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        continue;
      }
      const int on = 1;
      ::setsockopt(connection.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      hand_over(std::move(connection));
    }
  }

  void hand_over(FileHandle connection) {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= options_.waiting) {
      turn_away(connection);
      return;
    }
    queue_.push_back(std::move(connection));
    if (queue_.size() > idle_ && workers_.size() < options_.threads) {
      try {
        workers_.emplace_back([this] { work(); });
      } catch (const std::system_error&) {
        logger_.warn("no further thread for HTTP", {{"threads", static_cast<std::int64_t>(workers_.size())}});
      }
    }
    filled_.notify_one();
  }

  void work() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (queue_.empty()) {
        ++idle_;
        filled_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        --idle_;
        continue;
      }
      FileHandle connection = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      engine_->serve(std::move(connection));
      lock.lock();
    }
  }

  const HttpServerOptions options_;
  const HttpRouter& router_;
  Logger& logger_;
  StopEvent stop_event_;
  std::stop_source stop_source_;
  Listening listening_;
  std::optional<HttpEngine> engine_;
  std::thread acceptor_;

  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<FileHandle> queue_;
  std::vector<std::thread> workers_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
};

HttpServer::HttpServer(HttpServerOptions options, const HttpRouter& router, Logger& logger)
    : impl_(std::make_unique<Impl>(std::move(options), router, logger)) {}
HttpServer::~HttpServer() = default;
Status HttpServer::start() { return impl_->start(); }
std::string HttpServer::address() const { return impl_->address(); }
void HttpServer::stop() { impl_->stop(); }

}  // namespace millrace
