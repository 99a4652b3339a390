#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

/// Appenders of JSON text (RFC 8259). All are pure, append to `out` and never take anything back.

/// `text` as a JSON string with its quotes. False when `text` is not UTF-8; what was appended is then not
/// JSON and the caller has to cut it off again.
[[nodiscard]] bool append_json_string(std::string& out, std::string_view text);
/// As above, for names that must not fail: each byte that is not UTF-8 becomes U+FFFD.
void append_json_name(std::string& out, std::string_view name);

void append_json_int(std::string& out, std::int64_t value);
void append_json_uint(std::string& out, std::uint64_t value);
/// Shortest text that reads back as the same double. NaN and the infinities, which JSON has not got, become
/// the strings "NaN", "Infinity" and "-Infinity".
void append_json_double(std::string& out, double value);
/// The same without quotes, as text.
void append_double_text(std::string& out, double value);

/// JSON text of a source's json column: taken over as it is, but line breaks between its tokens become spaces
/// so that a record stays one line. False when it is empty or not UTF-8. A database guarantees the rest.
[[nodiscard]] bool append_json_verbatim(std::string& out, std::string_view json);

/// True when `text` is a number by JSON's grammar.
[[nodiscard]] bool is_json_number(std::string_view text);

/// RFC 4648 with padding, without quotes.
void append_base64(std::string& out, std::string_view bytes);
/// 36 characters, `11111111-2222-...`; `bytes` holds 16, else they are written in hex as they are.
void append_uuid(std::string& out, std::string_view bytes);

/// `"name":`, or with a comma in front.
[[nodiscard]] std::string json_key_prefix(std::string_view name, bool comma);

}  // namespace millrace
