#pragma once

#include <cstddef>
#include <memory>
#include <stop_token>

#include "http/router.h"
#include "http/socket.h"

namespace millrace {

struct HttpEngineLimits {
  std::size_t max_body_bytes = 1U << 20U;
  bool loopback_only = true;  ///< refuse requests that name a host that is not loopback
};

/// Speaks HTTP on one accepted connection at a time per thread. Thread-safe.
class HttpEngine {
 public:
  /// All references outlive the engine.
  HttpEngine(const HttpEngineLimits& limits, const HttpRouter& router, const StopEvent& stop_event,
             std::stop_token stop);
  ~HttpEngine();
  HttpEngine(const HttpEngine&) = delete;
  HttpEngine& operator=(const HttpEngine&) = delete;

  /// Answers the connection's requests until it ends, is idle too long or the server stops.
  void serve(FileHandle connection);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
