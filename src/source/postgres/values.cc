#include "source/postgres/values.h"

#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>

#include "base/text.h"

namespace millrace::postgres {
namespace {

constexpr std::size_t kUuidBytes = 16;

constexpr std::array<std::int8_t, 256> make_hex_digits() {
  std::array<std::int8_t, 256> out{};
  for (std::int8_t& digit : out) digit = -1;
  for (std::int8_t i = 0; i < 10; ++i) out[static_cast<std::size_t>('0' + i)] = i;
  for (std::int8_t i = 0; i < 6; ++i) {
    out[static_cast<std::size_t>('a' + i)] = static_cast<std::int8_t>(10 + i);
    out[static_cast<std::size_t>('A' + i)] = static_cast<std::int8_t>(10 + i);
  }
  return out;
}
constexpr std::array<std::int8_t, 256> kHexDigits = make_hex_digits();

/// The byte of two hexadecimal digits, or a negative number.
int hex_byte(const char* at) {
  return kHexDigits[static_cast<unsigned char>(at[0])] * 16 | kHexDigits[static_cast<unsigned char>(at[1])];
}

Cell word_cell(CellType type, std::int64_t value) {
  return BatchBuilder::put_word(type, static_cast<std::uint64_t>(value));
}

std::optional<Cell> maybe_word(CellType type, std::optional<std::int64_t> value) {
  if (!value) return std::nullopt;
  return word_cell(type, *value);
}

std::optional<Cell> decode_float(std::string_view text) {
  double value = 0;
  if (text == "NaN") {
    value = std::numeric_limits<double>::quiet_NaN();
  } else if (text == "Infinity") {
    value = std::numeric_limits<double>::infinity();
  } else if (text == "-Infinity") {
    value = -std::numeric_limits<double>::infinity();
  } else {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  }
  return BatchBuilder::put_word(CellType::kFloat64, std::bit_cast<std::uint64_t>(value));
}

std::optional<Cell> decode_bytea(std::string_view text, BatchBuilder& out) {
  if (!text.starts_with("\\x") || text.size() % 2 != 0) return std::nullopt;
  text.remove_prefix(2);
  char* at = nullptr;
  const Cell cell = out.put_space(CellType::kBytes, text.size() / 2, at);
  int all = 0;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int byte = hex_byte(text.data() + i);
    all |= byte;
    *at++ = static_cast<char>(byte);
  }
  if (all < 0) return std::nullopt;
  return cell;
}

std::optional<Cell> decode_uuid(std::string_view text, BatchBuilder& out) {
  if (text.size() != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-')
    return std::nullopt;
  std::array<char, kUuidBytes> bytes{};
  int all = 0;
  std::size_t from = 0;
  for (char& byte : bytes) {
    if (from == 8 || from == 13 || from == 18 || from == 23) ++from;
    const int value = hex_byte(text.data() + from);
    all |= value;
    byte = static_cast<char>(value);
    from += 2;
  }
  if (all < 0) return std::nullopt;
  return out.put_bytes(CellType::kUuid, {bytes.data(), bytes.size()});
}

template <typename A, typename B, typename C>
Cell put_sixteen(CellType type, A a, B b, C c, BatchBuilder& out) {
  static_assert(sizeof(A) + sizeof(B) + sizeof(C) == 16);
  char* at = nullptr;
  const Cell cell = out.put_space(type, 16, at);
  std::memcpy(at, &a, sizeof(A));
  std::memcpy(at + sizeof(A), &b, sizeof(B));
  std::memcpy(at + sizeof(A) + sizeof(B), &c, sizeof(C));
  return cell;
}

bool is_bits(std::string_view text) { return text.find_first_not_of("01") == std::string_view::npos; }

std::size_t count_digits(std::string_view text) {
  std::size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') ++count;
  return count;
}

/// Number of elements in the level that begins at `text` (just behind its brace), or nothing when it has no
/// end. Quotes, backslashes and inner levels are stepped over.
std::optional<std::size_t> count_elements(std::string_view text, char delimiter) {
  std::size_t commas = 0;
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (quoted) {
      continue;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}') {
      if (depth == 0) return i == 0 ? 0 : commas + 1;
      --depth;
    } else if (c == delimiter && depth == 0) {
      ++commas;
    }
  }
  return std::nullopt;
}

/// Cuts `[2:3][-1:0]=` off; what is left begins at the outer brace.
bool skip_bounds(std::string_view& text) {
  if (text.empty() || text.front() != '[') return true;
  const std::size_t equals = text.find("]=");
  if (equals == std::string_view::npos) return false;
  if (text.substr(0, equals).find_first_not_of("0123456789-:[]") != std::string_view::npos) return false;
  text.remove_prefix(equals + 2);
  return true;
}

}  // namespace

CellType cell_type(ValueKind kind) {
  switch (kind) {
    case ValueKind::kText:
      return CellType::kText;
    case ValueKind::kBool:
      return CellType::kBool;
    case ValueKind::kInteger:
      return CellType::kInt64;
    case ValueKind::kFloat:
      return CellType::kFloat64;
    case ValueKind::kNumeric:
    case ValueKind::kMoney:
      return CellType::kDecimal;
    case ValueKind::kBytea:
      return CellType::kBytes;
    case ValueKind::kUuid:
      return CellType::kUuid;
    case ValueKind::kJson:
      return CellType::kJson;
    case ValueKind::kBits:
      return CellType::kBits;
    case ValueKind::kDate:
      return CellType::kDate;
    case ValueKind::kTime:
      return CellType::kTime;
    case ValueKind::kTimeTz:
      return CellType::kTimeTz;
    case ValueKind::kTimestamp:
      return CellType::kTimestamp;
    case ValueKind::kTimestampTz:
      return CellType::kTimestampTz;
    case ValueKind::kInterval:
      return CellType::kInterval;
    case ValueKind::kArray:
      return CellType::kArray;
  }
  return CellType::kText;
}

bool is_numeric(std::string_view text) {
  if (text == "NaN" || text == "Infinity" || text == "-Infinity") return true;
  if (text.starts_with('-')) text.remove_prefix(1);
  const std::size_t whole = count_digits(text);
  if (whole == 0) return false;
  text.remove_prefix(whole);
  if (text.empty()) return true;
  if (text.front() != '.') return false;
  text.remove_prefix(1);
  return !text.empty() && count_digits(text) == text.size();
}

std::optional<std::string> parse_money(std::string_view text) {
  std::string out;
  if (text.starts_with('-')) {
    out.push_back('-');
    text.remove_prefix(1);
  }
  if (text.starts_with('$')) text.remove_prefix(1);
  for (const char c : text) {
    if (c != ',') out.push_back(c);
  }
  if (!is_numeric(out)) return std::nullopt;
  return out;
}

Cell ValueDecoder::decode(const ValueFormat& format, std::string_view text, BatchBuilder& out) {
  const auto cell = format.kind == ValueKind::kArray ? decode_array(format, text, out)
                                                     : decode_scalar(format.kind, text, out);
  if (cell) return *cell;
  ++unparsed_;
  return out.put_bytes(CellType::kText, text);
}

std::optional<Cell> ValueDecoder::decode_scalar(ValueKind kind, std::string_view text, BatchBuilder& out) {
  switch (kind) {
    case ValueKind::kText:
    case ValueKind::kJson:
      return out.put_bytes(cell_type(kind), text);
    case ValueKind::kBool:
      if (text != "t" && text != "f") return std::nullopt;
      return BatchBuilder::put_word(CellType::kBool, text == "t" ? 1 : 0);
    case ValueKind::kInteger:
      return maybe_word(CellType::kInt64, parse_int64(text));
    case ValueKind::kFloat:
      return decode_float(text);
    case ValueKind::kNumeric:
      if (!is_numeric(text)) return std::nullopt;
      return out.put_bytes(CellType::kDecimal, text);
    case ValueKind::kMoney: {
      const auto money = parse_money(text);
      if (!money) return std::nullopt;
      return out.put_bytes(CellType::kDecimal, *money);
    }
    case ValueKind::kBytea:
      return decode_bytea(text, out);
    case ValueKind::kUuid:
      return decode_uuid(text, out);
    case ValueKind::kBits:
      if (!is_bits(text)) return std::nullopt;
      return out.put_bytes(CellType::kBits, text);
    case ValueKind::kDate:
      return maybe_word(CellType::kDate, parse_date(text));
    case ValueKind::kTime:
      return maybe_word(CellType::kTime, parse_time(text));
    case ValueKind::kTimestamp:
      return maybe_word(CellType::kTimestamp, parse_timestamp(text, false));
    case ValueKind::kTimestampTz:
      return maybe_word(CellType::kTimestampTz, parse_timestamp(text, true));
    case ValueKind::kTimeTz: {
      const auto time = parse_timetz(text);
      if (!time) return std::nullopt;
      return put_sixteen(CellType::kTimeTz, time->time_us, time->offset_s, std::int32_t{0}, out);
    }
    case ValueKind::kInterval: {
      const auto interval = parse_interval(text);
      if (!interval) return std::nullopt;
      return put_sixteen(CellType::kInterval, interval->time_us, interval->days, interval->months, out);
    }
    case ValueKind::kArray:
      break;
  }
  return std::nullopt;
}

std::optional<Cell> ValueDecoder::decode_array(const ValueFormat& format, std::string_view text,
                                               BatchBuilder& out) {
  // Lower bounds other than 1 are not kept: no target can say them.
  if (!skip_bounds(text) || !text.starts_with('{')) return std::nullopt;
  const auto cell = decode_level(format, text, 1, out);
  if (!cell || !text.empty()) return std::nullopt;
  return cell;
}

std::optional<Cell> ValueDecoder::decode_level(const ValueFormat& format, std::string_view& text, int depth,
                                               BatchBuilder& out) {
  if (depth > kMaxArrayDepth) return std::nullopt;
  text.remove_prefix(1);  // the brace
  const auto count = count_elements(text, format.delimiter);
  if (!count) return std::nullopt;
  const std::uint32_t first = out.add_cells(*count);
  for (std::size_t i = 0; i < *count; ++i) {
    const bool inner = text.starts_with('{');
    const auto element =
        inner ? decode_level(format, text, depth + 1, out) : decode_element(format, text, out);
    if (!element) return std::nullopt;
    out.cell(first + static_cast<std::uint32_t>(i)) = *element;
    if (i + 1 < *count) {
      if (!text.starts_with(format.delimiter)) return std::nullopt;
      text.remove_prefix(1);
    }
  }
  if (!text.starts_with('}')) return std::nullopt;
  text.remove_prefix(1);
  return BatchBuilder::put_cells(CellType::kArray, first, *count);
}

/// Reads one element up to the delimiter or brace that ends it: bare, or in quotes where a backslash takes
/// the next character as it is. Only a bare NULL is one.
std::optional<Cell> ValueDecoder::decode_element(const ValueFormat& format, std::string_view& text,
                                                 BatchBuilder& out) {
  if (!text.starts_with('"')) {
    std::size_t end = 0;
    while (end < text.size() && text[end] != format.delimiter && text[end] != '}') {
      if (text[end] == '"' || text[end] == '\\' || text[end] == '{') return std::nullopt;
      ++end;
    }
    const std::string_view bare = text.substr(0, end);
    text.remove_prefix(end);
    if (bare.empty()) return std::nullopt;
    if (bare == "NULL") return BatchBuilder::put_mark(CellType::kNull);
    return decode_scalar(format.element, bare, out);
  }
  scratch_.clear();
  std::size_t at = 1;
  while (at < text.size() && text[at] != '"') {
    if (text[at] == '\\') ++at;
    if (at == text.size()) return std::nullopt;
    scratch_.push_back(text[at++]);
  }
  if (at >= text.size()) return std::nullopt;
  text.remove_prefix(at + 1);
  return decode_scalar(format.element, scratch_, out);
}

}  // namespace millrace::postgres
