#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/logging.h"
#include "base/result.h"
#include "http/router.h"

namespace millrace {

struct HttpServerOptions {
  std::string listen = "127.0.0.1:8083";  ///< port 0: any free one
  bool allow_remote = false;              ///< else only loopback, and only requests that name a loopback host
  std::size_t threads = 16;               ///< requests answered at a time; made when needed
  std::size_t waiting = 64;               ///< connections that may wait for a thread; more are answered 503
  std::size_t max_body_bytes = 1U << 20U;
};

/// Serves a router over HTTP/1.1. Requests are bounded in size, number and time; whatever a client sends ends
/// at worst in its connection being closed. Without a login, so it guards itself against web pages of others:
/// a request from a browser page of another origin is refused.
class HttpServer {
 public:
  /// `router` and `logger` outlive the server.
  HttpServer(HttpServerOptions options, const HttpRouter& router, Logger& logger);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// Listens and answers from now on. A stop error when the address is taken, not allowed or not ours.
  [[nodiscard]] Status start();
  /// Where it listens, the real port filled in; only after `start`.
  [[nodiscard]] std::string address() const;
  /// Ends all connections and threads. A handler that runs is waited for; its request's `stop` tells it.
  void stop();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
