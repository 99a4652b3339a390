#include "format/json_writer.h"

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstring>

#include "base/text.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace millrace {
namespace {

constexpr char kHex[] = "0123456789abcdef";

bool needs_escape(unsigned char c) { return c < 0x20 || c == '"' || c == '\\'; }

/// How many bytes from `p` on need no escape. `high` turns true when a byte above 0x7f was met (in the
/// sixteen bytes around the end too, which only costs a check more).
std::size_t plain_run(const char* p, std::size_t size, bool& high) {
  std::size_t i = 0;
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i control = _mm_set1_epi8(0x1f);
  for (; i + 16 <= size; i += 16) {
    __m128i v;
    std::memcpy(&v, p + i, sizeof(v));
    const __m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, backslash)),
                                      _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
    if (_mm_movemask_epi8(v) != 0) high = true;
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(stop));
    if (mask != 0) return i + static_cast<std::size_t>(__builtin_ctz(mask));
  }
#elif defined(__aarch64__) && defined(__ARM_NEON)
  const uint8x16_t quote = vdupq_n_u8('"');
  const uint8x16_t backslash = vdupq_n_u8('\\');
  const uint8x16_t space = vdupq_n_u8(0x20);
  for (; i + 16 <= size; i += 16) {
    uint8x16_t v;
    std::memcpy(&v, p + i, sizeof(v));
    const uint8x16_t stop =
        vorrq_u8(vorrq_u8(vceqq_u8(v, quote), vceqq_u8(v, backslash)), vcltq_u8(v, space));
    if (vmaxvq_u8(v) > 0x7f) high = true;
    if (vmaxvq_u8(stop) != 0) break;  // the place is found byte by byte below
  }
#endif
  for (; i < size; ++i) {
    const auto c = static_cast<unsigned char>(p[i]);
    if (needs_escape(c)) return i;
    if (c > 0x7f) high = true;
  }
  return i;
}

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      break;
  }
  const char text[] = {'\\', 'u', '0', '0', kHex[c >> 4U], kHex[c & 15U]};
  out.append(text, sizeof(text));
}

template <typename T>
void append_number(std::string& out, T value) {
  char text[40];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  out.append(text, static_cast<std::size_t>(end - text));
}

}  // namespace

bool append_json_string(std::string& out, std::string_view text) {
  out += '"';
  const char* at = text.data();
  std::size_t left = text.size();
  bool high = false;
  for (;;) {
    const std::size_t run = plain_run(at, left, high);
    out.append(at, run);
    if (run == left) break;
    append_escape(out, static_cast<unsigned char>(at[run]));
    at += run + 1;
    left -= run + 1;
  }
  out += '"';
  return !high || is_utf8(text);
}

void append_json_name(std::string& out, std::string_view name) {
  const std::size_t start = out.size();
  if (append_json_string(out, name)) return;
  out.resize(start);
  std::string repaired;
  for (const char c : name) {
    if (static_cast<unsigned char>(c) > 0x7f) {
      repaired += "\xEF\xBF\xBD";
    } else {
      repaired += c;
    }
  }
  static_cast<void>(append_json_string(out, repaired));
}

void append_json_int(std::string& out, std::int64_t value) { append_number(out, value); }
void append_json_uint(std::string& out, std::uint64_t value) { append_number(out, value); }

void append_double_text(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
  } else if (std::isinf(value)) {
    out += value > 0 ? "Infinity" : "-Infinity";
  } else {
    append_number(out, value);
  }
}

void append_json_double(std::string& out, double value) {
  const bool quoted = !std::isfinite(value);
  if (quoted) out += '"';
  append_double_text(out, value);
  if (quoted) out += '"';
}

bool append_json_verbatim(std::string& out, std::string_view json) {
  if (json.empty()) return false;
  bool high = false;
  for (const char c : json) high = high || static_cast<unsigned char>(c) > 0x7f;
  if (high && !is_utf8(json)) return false;
  const std::size_t start = out.size();
  out.append(json);
  if (json.find_first_of("\n\r") == std::string_view::npos) return true;
  for (std::size_t i = start; i < out.size(); ++i) {
    if (out[i] == '\n' || out[i] == '\r') out[i] = ' ';  // inside a string they are always escaped
  }
  return true;
}

bool is_json_number(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - from;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const std::size_t whole = i;
  const std::size_t count = digits();
  if (count == 0 || (count > 1 && text[whole] == '0')) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

void append_base64(std::string& out, std::string_view bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::size_t i = 0;
  const auto at = [&](std::size_t k) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[k]));
  };
  const auto put = [&](std::uint32_t group, int shift) {
    out += kAlphabet[(group >> static_cast<unsigned>(shift)) & 63U];
  };
  for (; i + 3 <= bytes.size(); i += 3) {
    const std::uint32_t group = at(i) << 16U | at(i + 1) << 8U | at(i + 2);
    for (int shift = 18; shift >= 0; shift -= 6) put(group, shift);
  }
  if (i == bytes.size()) return;
  const bool two = i + 2 == bytes.size();
  const std::uint32_t group = at(i) << 16U | (two ? at(i + 1) << 8U : 0U);
  put(group, 18);
  put(group, 12);
  if (two) put(group, 6);
  out += two ? "=" : "==";
}

void append_uuid(std::string& out, std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes.size() == 16 && (i == 4 || i == 6 || i == 8 || i == 10)) out += '-';
    const auto c = static_cast<unsigned char>(bytes[i]);
    out += kHex[c >> 4U];
    out += kHex[c & 15U];
  }
}

std::string json_key_prefix(std::string_view name, bool comma) {
  std::string out = comma ? "," : "";
  append_json_name(out, name);
  out += ':';
  return out;
}

}  // namespace millrace
