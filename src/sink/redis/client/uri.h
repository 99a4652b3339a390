#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace::redis {

/// Where a Redis server is and how to log in.
struct Uri {
  bool tls = false;
  std::string unix_path;  ///< not empty: a Unix socket, host and port do not count
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string username;
  std::string password;
  std::int32_t database = 0;

  /// `127.0.0.1:6379/0` for messages: never the password.
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Uri&, const Uri&) = default;
};

/// `redis://user:password@host:port/db`, `rediss://...` (TLS), `unix://user:password@/path?db=1`; each part
/// but the host or path may be left out, `%XX` is decoded in user, password and path, an IPv6 host stands in
/// brackets. The error says what was expected and never shows the text, which may hold a password. Pure.
[[nodiscard]] Result<Uri> parse_uri(std::string_view text);

}  // namespace millrace::redis
