#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// The whole of `text` as a number, or nothing: no spaces, no overflow.
[[nodiscard]] std::optional<std::int64_t> parse_int64(std::string_view text);
[[nodiscard]] std::optional<std::uint64_t> parse_uint64(std::string_view text);
/// Reads `0/16B3748`-free plain hexadecimal digits.
[[nodiscard]] std::optional<std::uint64_t> parse_hex(std::string_view text);

/// Splits at commas; spaces around an item are dropped, and a comma behind a backslash belongs to the item
/// (Debezium's rule for lists of regular expressions). Empty items are left out.
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

/// The member of `known` with the fewest edits from `name` (at most a third of its length, and two at least),
/// for "did you mean". Empty when none is near.
[[nodiscard]] std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known);

/// `1536` -> `1.5 KiB`; for people, not for scripts.
[[nodiscard]] std::string human_bytes(std::uint64_t bytes);
/// Duration for people: `850 us`, `12.3 ms`, `4.0 s`, `3 min 20 s`, `2 h 5 min`.
[[nodiscard]] std::string human_duration(std::int64_t duration_us);

/// True when `text` is well-formed UTF-8 (no surrogates, no overlong forms).
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace millrace
