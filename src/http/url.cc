#include "http/url.h"

#include <utility>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::size_t kMaxQueryMembers = 64;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

/// Splits `[::1]:80` and `host:80`; the port may be missing, which leaves it empty.
std::optional<std::pair<std::string_view, std::string_view>> split_host(std::string_view text) {
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return std::nullopt;
    return std::pair(text.substr(1, close - 1), rest.empty() ? rest : rest.substr(1));
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return std::pair(text, std::string_view{});
  if (text.find(':', colon + 1) != std::string_view::npos) return std::nullopt;
  return std::pair(text.substr(0, colon), text.substr(colon + 1));
}

}  // namespace

std::string HostPort::text() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<HostPort> parse_host_port(std::string_view text) {
  const auto parts = split_host(text);
  const auto port = parts ? parse_uint64(parts->second) : std::nullopt;
  if (!parts || parts->first.empty() || !port || *port > 65535) {
    return stop_error("expected host:port such as 127.0.0.1:8083 or [::1]:8083");
  }
  return HostPort{std::string(parts->first), static_cast<std::uint16_t>(*port)};
}

Result<HostPort> parse_http_url(std::string_view url) {
  constexpr std::string_view kScheme = "http://";
  const Error wrong = stop_error("expected a URL such as http://127.0.0.1:8083");
  if (!url.starts_with(kScheme)) return wrong;
  url.remove_prefix(kScheme.size());
  if (url.ends_with('/')) url.remove_suffix(1);
  if (url.find_first_of("/?#@ ") != std::string_view::npos) return wrong;
  const auto parts = split_host(url);
  const auto port =
      parts && !parts->second.empty() ? parse_uint64(parts->second) : std::optional<std::uint64_t>(80);
  if (!parts || parts->first.empty() || !port || *port == 0 || *port > 65535) return wrong;
  return HostPort{std::string(parts->first), static_cast<std::uint16_t>(*port)};
}

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host == "::1") return true;
  // Digits and dots only, so that no name of a remote host passes.
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    if (is_unreserved(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4U];
    out += kHex[byte & 15U];
  }
  return out;
}

std::optional<std::map<std::string, std::string>> parse_query(std::string_view query) {
  std::map<std::string, std::string> out;
  std::size_t count = 0;
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view member = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view{} : query.substr(end + 1);
    if (member.empty()) continue;
    if (++count > kMaxQueryMembers) return std::nullopt;
    const std::size_t mark = member.find('=');
    auto name = percent_decode(member.substr(0, mark), true);
    auto value = mark == std::string_view::npos ? std::optional<std::string>("")
                                                : percent_decode(member.substr(mark + 1), true);
    if (!name || !value) return std::nullopt;
    out.emplace(*std::move(name), *std::move(value));
  }
  return out;
}

}  // namespace millrace
