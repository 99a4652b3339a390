#include "http/router.h"

#include <exception>
#include <optional>
#include <utility>

#include "base/check.h"
#include "http/url.h"

namespace millrace {
namespace {

constexpr std::size_t kMaxParts = 32;

/// Nothing when the path does not begin with a slash, has too many parts or a broken percent sign.
std::optional<std::vector<std::string>> parts_of(std::string_view path) {
  if (path.empty() || path.front() != '/') return std::nullopt;
  path.remove_prefix(1);
  std::vector<std::string> out;
  for (;;) {
    const std::size_t slash = path.find('/');
    auto part = percent_decode(path.substr(0, slash), false);
    if (!part || out.size() == kMaxParts) return std::nullopt;
    out.push_back(*std::move(part));
    if (slash == std::string_view::npos) return out;
    path.remove_prefix(slash + 1);
  }
}

bool is_parameter(std::string_view part) {
  return part.size() > 2 && part.front() == '{' && part.back() == '}';
}

bool matches(const std::vector<std::string>& pattern, const std::vector<std::string>& parts) {
  if (pattern.size() != parts.size()) return false;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (is_parameter(pattern[i]) ? parts[i].empty() : pattern[i] != parts[i]) return false;
  }
  return true;
}

}  // namespace

HttpResponse http_error(int status, std::string_view message) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quoted;
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') quoted += '\\';
    if (byte < 0x20) {
      quoted += "\\u00";
      quoted += kHex[byte >> 4U];
      quoted += kHex[byte & 15U];
    } else {
      quoted += c;
    }
  }
  return {status, "application/json",
          "{\"error_code\":" + std::to_string(status) + ",\"message\":\"" + quoted + "\"}\n"};
}

void HttpRouter::add(std::string_view method, std::string_view pattern, HttpHandler handler) {
  auto parts = parts_of(pattern);
  MILLRACE_CHECK(parts.has_value());
  routes_.push_back({std::string(method), *std::move(parts), std::move(handler)});
}

HttpResponse HttpRouter::dispatch(HttpRequest& request) const {
  const auto parts = parts_of(request.path);
  if (!parts) return http_error(400, "the path is malformed");
  const std::string_view method = request.method == "HEAD" ? "GET" : std::string_view(request.method);
  bool path_known = false;
  for (const Route& route : routes_) {
    if (!matches(route.parts, *parts)) continue;
    path_known = true;
    if (route.method != method) continue;
    request.parameters.clear();
    for (std::size_t i = 0; i < parts->size(); ++i) {
      const std::string& name = route.parts[i];
      if (is_parameter(name)) request.parameters.emplace(name.substr(1, name.size() - 2), (*parts)[i]);
    }
    try {
      return route.handler(request);
    } catch (const std::exception&) {
      return http_error(500, "the request failed inside the program");
    }
  }
  return path_known ? http_error(405, "the method is not allowed here")
                    : http_error(404, "there is nothing here");
}

}  // namespace millrace
