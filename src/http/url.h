#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// A host and a port, written `127.0.0.1:8083`, `[::1]:8083` or `localhost:8083`.
struct HostPort {
  std::string host;  ///< without brackets
  std::uint16_t port = 0;

  [[nodiscard]] std::string text() const;
};

/// The error says what form was expected.
[[nodiscard]] Result<HostPort> parse_host_port(std::string_view text);
/// `http://host:port`, a trailing slash allowed, the port 80 when left out.
[[nodiscard]] Result<HostPort> parse_http_url(std::string_view url);

/// `localhost`, 127.0.0.0/8 or ::1, by its writing alone.
[[nodiscard]] bool is_loopback_host(std::string_view host);

/// Nothing when a percent sign is not followed by two hexadecimal digits.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);
/// For one part of a path or a query's value: everything but letters, digits and `-._~` is encoded.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// `a=1&b=2`, the first value of a name. Nothing when it is malformed or has more than 64 members.
[[nodiscard]] std::optional<std::map<std::string, std::string>> parse_query(std::string_view query);

}  // namespace millrace
