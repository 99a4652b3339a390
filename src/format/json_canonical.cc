#include "format/json_canonical.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/text.h"
#include "format/json_writer.h"

namespace millrace {
namespace {

constexpr int kMaxDepth = 512;

std::optional<double> parse_real(std::string_view text) {
  const char* const begin = text.empty() ? nullptr : &text.front();
  double out = 0;
  const auto [end, error] = std::from_chars(begin, begin + text.size(), out);
  if (error != std::errc() || end != begin + text.size()) return std::nullopt;
  return out;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0U | code >> 6U);
    put(0x80U | (code & 0x3FU));
  } else if (code < 0x10000) {
    put(0xE0U | code >> 12U);
    put(0x80U | (code >> 6U & 0x3FU));
    put(0x80U | (code & 0x3FU));
  } else {
    put(0xF0U | code >> 18U);
    put(0x80U | (code >> 12U & 0x3FU));
    put(0x80U | (code >> 6U & 0x3FU));
    put(0x80U | (code & 0x3FU));
  }
}

/// Reads one JSON text (RFC 8259) and writes its canonical form.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  bool whole(std::string& out) {
    if (!value(out, 0)) return false;
    skip();
    return rest_.empty();
  }

  bool members(std::map<std::string, std::string>& out, int depth) {
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      std::string name;
      std::string inner;
      if (!string(name) || !take(':') || !value(inner, depth + 1)) return false;
      out.insert_or_assign(std::move(name), std::move(inner));
    } while (take(','));
    return take('}');
  }

 private:
  void skip() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != std::string_view::npos)
      rest_.remove_prefix(1);
  }

  bool take(char c) {
    skip();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool word(std::string& out, std::string_view expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(expected.size());
    out += expected;
    return true;
  }

  bool value(std::string& out, int depth) {
    if (depth > kMaxDepth) return false;
    skip();
    if (rest_.empty()) return false;
    switch (rest_.front()) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"': {
        std::string text;
        return string(text) && append_json_string(out, text);
      }
      case 't':
        return word(out, "true");
      case 'f':
        return word(out, "false");
      case 'n':
        return word(out, "null");
      default:
        return number(out);
    }
  }

  bool object(std::string& out, int depth) {
    std::map<std::string, std::string> inside;
    if (!members(inside, depth)) return false;
    out += '{';
    bool first = true;
    for (const auto& [name, inner] : inside) {
      if (!std::exchange(first, false)) out += ',';
      if (!append_json_string(out, name)) return false;
      out += ':';
      out += inner;
    }
    out += '}';
    return true;
  }

  bool array(std::string& out, int depth) {
    rest_.remove_prefix(1);
    out += '[';
    if (take(']')) {
      out += ']';
      return true;
    }
    for (bool first = true;; first = false) {
      if (!first) out += ',';
      if (!value(out, depth + 1)) return false;
      if (take(',')) continue;
      out += ']';
      return take(']');
    }
  }

  bool hex4(std::uint32_t& code) {
    const auto parsed = parse_hex(rest_.substr(0, 4));
    if (rest_.size() < 4 || !parsed) return false;
    code = static_cast<std::uint32_t>(*parsed);
    rest_.remove_prefix(4);
    return true;
  }

  bool escape(std::string& out) {
    if (rest_.empty()) return false;
    const char c = rest_.front();
    rest_.remove_prefix(1);
    static constexpr std::string_view kFrom = "\"\\/bfnrt";
    static constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
    if (const std::size_t at = kFrom.find(c); at != std::string_view::npos) {
      out += kTo[at];
      return true;
    }
    std::uint32_t code = 0;
    if (c != 'u' || !hex4(code)) return false;
    const bool high = code >= 0xD800 && code < 0xDC00;
    if (high && rest_.starts_with("\\u")) {
      std::uint32_t low = 0;
      rest_.remove_prefix(2);
      if (!hex4(low) || low < 0xDC00 || low > 0xDFFF) return false;
      code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
    } else if (code >= 0xD800 && code < 0xE000) {
      return false;  // half of a pair
    }
    append_utf8(out, code);
    return true;
  }

  bool string(std::string& out) {
    if (!take('"')) return false;
    for (;;) {
      const std::size_t end = rest_.find_first_of("\"\\");
      if (end == std::string_view::npos) return false;
      out += rest_.substr(0, end);
      const bool closed = rest_[end] == '"';
      rest_.remove_prefix(end + 1);
      if (closed) return true;
      if (!escape(out)) return false;
    }
  }

  bool number(std::string& out) {
    const std::size_t size = rest_.find_first_not_of("+-.0123456789eE");
    const std::string_view text = rest_.substr(0, size);
    if (!is_json_number(text)) return false;
    rest_.remove_prefix(text.size());
    if (const auto integer = parse_int64(text)) {
      append_json_int(out, *integer);
      return true;
    }
    const auto parsed = parse_real(text);
    if (!parsed) {
      out += text;  // out of every range: as it stands
      return true;
    }
    const double real = *parsed;
    // 1.0 and 1 are one number; beyond 2^53 not each integer is a double, so the text of the double stays.
    constexpr double kExact = 9007199254740992.0;
    if (real > -kExact && real < kExact && static_cast<double>(static_cast<std::int64_t>(real)) == real) {
      append_json_int(out, static_cast<std::int64_t>(real));
    } else {
      append_json_double(out, real);
    }
    return true;
  }

  std::string_view rest_;
};

std::size_t number_size(std::string_view text) {
  return std::min(text.size(), text.find_first_not_of("+-.0123456789eE"));
}

bool near(std::string_view a, std::string_view b) {
  constexpr double kBits = 8 * std::numeric_limits<double>::epsilon();
  const auto is_real = [](std::string_view text) {
    return text.find_first_of(".eE") != std::string_view::npos;
  };
  if (!is_real(a) && !is_real(b)) return a == b;
  const auto x = parse_real(a);
  const auto y = parse_real(b);
  if (!x || !y) return a == b;
  return std::abs(*x - *y) <= kBits * std::max(std::abs(*x), std::abs(*y));
}

/// Behind a string that begins at `at`; canonical texts escape " and \ with a backslash.
std::size_t string_end(std::string_view text, std::size_t at) {
  for (++at; at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\') ++at;
  }
  return std::min(text.size(), at + 1);
}

}  // namespace

bool same_canonical(std::string_view a, std::string_view b) {
  while (!a.empty() && !b.empty()) {
    const char c = a.front();
    const bool number = c == '-' || (c >= '0' && c <= '9');
    const std::size_t size = number ? number_size(a) : c == '"' ? string_end(a, 0) : 1;
    const std::size_t other = number ? number_size(b) : size;
    if (number ? !near(a.substr(0, size), b.substr(0, other)) : a.substr(0, size) != b.substr(0, size))
      return false;
    a.remove_prefix(size);
    b.remove_prefix(other);
  }
  return a.empty() && b.empty();
}

std::optional<std::string> canonical_json(std::string_view text) {
  std::string out;
  if (!Reader(text).whole(out)) return std::nullopt;
  return out;
}

std::optional<std::map<std::string, std::string>> json_members(std::string_view text) {
  std::map<std::string, std::string> out;
  std::string rest;
  if (!Reader(text).whole(rest) || !Reader(text).members(out, 0)) return std::nullopt;
  return out;
}

}  // namespace millrace
