#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/url.h"

namespace millrace {

struct HttpAnswer {
  int status = 0;
  std::string body;
  std::map<std::string, std::string> headers;  ///< names as the server wrote them, the first of each

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto at = headers.find(name);
    return at == headers.end() ? std::string() : at->second;
  }
};

/// Talks to one server over HTTP/1.1, one request at a time, in one thread. An error means that there was no
/// whole answer (kReconnect); an answer with a status of failure is an answer.
class HttpClient {
 public:
  explicit HttpClient(const HostPort& server);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// `timeout_ms`: between two pieces of the answer.
  [[nodiscard]] Result<HttpAnswer> get(const std::string& path, std::int64_t timeout_ms = 10'000);
  [[nodiscard]] Result<HttpAnswer> post(const std::string& path, const std::string& body,
                                        std::int64_t timeout_ms = 10'000);
  /// Hands the body of an answer with status 200 to `take` piece by piece, until it answers false; any other
  /// answer's body comes back whole.
  [[nodiscard]] Result<HttpAnswer> get_stream(const std::string& path,
                                              const std::function<bool(std::string_view)>& take,
                                              std::int64_t timeout_ms = 60'000);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
