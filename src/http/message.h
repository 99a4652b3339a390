#pragma once

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace millrace {

/// A request as a handler sees it; everything is decoded.
struct HttpRequest {
  std::string method{};                             ///< `GET`, `POST`...
  std::string path{};                               ///< as sent, still percent-encoded, without the query
  std::map<std::string, std::string> parameters{};  ///< parts of the path that the route names
  std::map<std::string, std::string> query{};       ///< the first value of each name
  std::string body{};
  std::stop_token stop{};  ///< the server is going down: answer within 100 ms

  [[nodiscard]] std::optional<std::string> query_value(const std::string& name) const {
    const auto at = query.find(name);
    return at == query.end() ? std::nullopt : std::optional(at->second);
  }
};

/// An answer. With `stream` the body is sent in chunks instead of `body`: called again and again on the
/// request's thread, it appends to `chunk` and answers false at the end. An empty chunk is fine. It ends
/// early when the client has gone.
struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::function<bool(std::string& chunk)> stream{};
  std::map<std::string, std::string> headers{};  ///< further ones
};

/// Runs on one of the server's threads, several at a time.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

/// `{"error_code":404,"message":"..."}`, as Kafka Connect answers. `message` may hold any bytes.
[[nodiscard]] HttpResponse http_error(int status, std::string_view message);

}  // namespace millrace
