#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::postgres {

/// A place in the server's write-ahead log, in bytes from its beginning. 0 is none.
using Lsn = std::uint64_t;

/// `0/16B3748`, as the server prints it.
[[nodiscard]] std::string lsn_text(Lsn lsn);
[[nodiscard]] std::optional<Lsn> parse_lsn(std::string_view text);

/// 16 upper-case hexadecimal digits, so that the order of the texts is the order of the places.
[[nodiscard]] std::string lsn_key(Lsn lsn);
[[nodiscard]] std::optional<Lsn> parse_lsn_key(std::string_view text);

}  // namespace millrace::postgres
