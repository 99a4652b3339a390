#include "sink/redis/client/uri.h"

#include <optional>

#include "base/text.h"

namespace millrace::redis {
namespace {

Error bad_uri(const std::string& what) {
  return stop_error(
      what, "write redis://user:password@host:6379/0, rediss://... for TLS, or unix:///path/to/socket?db=0");
}

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const auto code = parse_hex(text.substr(i + 1, 2));
    if (!code || *code == 0) return std::nullopt;
    out += static_cast<char>(*code);
    i += 2;
  }
  return out;
}

std::optional<std::int32_t> database_number(std::string_view text) {
  if (text.empty()) return 0;
  const auto number = parse_int64(text);
  if (!number || *number < 0 || *number > 1'000'000) return std::nullopt;
  return static_cast<std::int32_t>(*number);
}

/// Takes `user:password@` off the front of `rest`.
Status take_login(std::string_view& rest, std::string_view until, Uri& uri) {
  const std::size_t stop = rest.find_first_of(until);
  const std::size_t at = rest.substr(0, stop).rfind('@');
  if (at == std::string_view::npos) return {};
  const std::string_view login = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  const std::size_t colon = login.find(':');
  auto user = percent_decoded(login.substr(0, colon));
  auto password =
      percent_decoded(colon == std::string_view::npos ? std::string_view() : login.substr(colon + 1));
  if (!user || !password) return bad_uri("a % in user or password is not followed by two hexadecimal digits");
  uri.username = std::move(*user);
  uri.password = std::move(*password);
  return {};
}

Status take_host(std::string_view host, Uri& uri) {
  std::string_view port;
  if (!host.empty() && host.front() == '[') {
    const std::size_t close = host.find(']');
    if (close == std::string_view::npos) return bad_uri("an IPv6 address has no closing bracket");
    port = host.substr(close + 1);
    host = host.substr(1, close - 1);
    if (!port.empty() && port.front() != ':') return bad_uri("a port was expected behind the bracket");
  } else if (const std::size_t colon = host.find(':'); colon != std::string_view::npos) {
    port = host.substr(colon);
    host = host.substr(0, colon);
  }
  if (host.empty()) return bad_uri("the host is missing");
  if (host.find_first_of(" \t\r\n\0[]") != std::string_view::npos)
    return bad_uri("the host has a character too many");
  uri.host = host;
  if (port.empty()) return {};
  const auto number = parse_uint64(port.substr(1));
  if (!number || *number == 0 || *number > 65'535) return bad_uri("the port is not a number from 1 to 65535");
  uri.port = static_cast<std::uint16_t>(*number);
  return {};
}

Result<Uri> parse_unix(std::string_view rest, Uri uri) {
  MILLRACE_TRY(take_login(rest, "/", uri));
  std::string_view query;
  if (const std::size_t mark = rest.find('?'); mark != std::string_view::npos) {
    query = rest.substr(mark + 1);
    rest = rest.substr(0, mark);
  }
  auto path = percent_decoded(rest);
  if (!path || path->empty() || path->front() != '/')
    return bad_uri("the path of a Unix socket must be absolute");
  if (path->size() > 107) return bad_uri("the path of a Unix socket is longer than 107 bytes");
  uri.unix_path = std::move(*path);
  if (query.empty()) return uri;
  if (query.substr(0, 3) != "db=") return bad_uri("only ?db=NUMBER may follow the path");
  const auto database = database_number(query.substr(3));
  if (!database) return bad_uri("the database is not a number");
  uri.database = *database;
  return uri;
}

}  // namespace

std::string Uri::text() const {
  if (!unix_path.empty()) return unix_path + "?db=" + std::to_string(database);
  const bool brackets = host.find(':') != std::string::npos;
  return (brackets ? "[" + host + "]" : host) + ":" + std::to_string(port) + "/" + std::to_string(database);
}

Result<Uri> parse_uri(std::string_view text) {
  Uri uri;
  const std::size_t scheme_end = text.find("://");
  const std::string_view scheme = scheme_end == std::string_view::npos ? "" : text.substr(0, scheme_end);
  if (scheme != "redis" && scheme != "rediss" && scheme != "unix") {
    return bad_uri("it must begin with redis://, rediss:// or unix://");
  }
  std::string_view rest = text.substr(scheme_end + 3);
  if (scheme == "unix") return parse_unix(rest, std::move(uri));
  uri.tls = scheme == "rediss";
  MILLRACE_TRY(take_login(rest, "/?#", uri));
  if (rest.find_first_of("?#") != std::string_view::npos)
    return bad_uri("nothing may follow the database number");
  const std::size_t slash = rest.find('/');
  MILLRACE_TRY(take_host(rest.substr(0, slash), uri));
  const auto database = database_number(slash == std::string_view::npos ? "" : rest.substr(slash + 1));
  if (!database) return bad_uri("the part behind the last slash must be the number of a database");
  uri.database = *database;
  return uri;
}

}  // namespace millrace::redis
