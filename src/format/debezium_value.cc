#include "format/debezium_value.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "format/json_writer.h"
#include "format/row_json.h"
#include "format/time_text.h"

namespace millrace {
namespace {

constexpr std::string_view kUnavailable = "__debezium_unavailable_value";
constexpr std::int64_t kMicrosPerDay = 86'400'000'000;
constexpr std::int64_t kMicrosPerMonth = 2'629'800'000'000;  // of 365.25 / 12 days
constexpr std::int64_t kInfinityDays =
    2'146'033'979;  // what becomes of PostgreSQL's infinite dates in Debezium
constexpr std::int64_t kMinusInfinityDays = -2'147'472'691;

std::int64_t signed_word(const Cell& cell) { return static_cast<std::int64_t>(cell.word); }

template <typename T>
T load(std::string_view bytes, std::size_t offset) {
  T value{};
  if (bytes.size() >= offset + sizeof(T)) std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

void append_quoted_base64(std::string& out, std::string_view bytes) {
  out += '"';
  append_base64(out, bytes);
  out += '"';
}

void append_codes(std::string& out) {
  out += '[';
  for (std::size_t i = 0; i < kUnavailable.size(); ++i) {
    if (i > 0) out += ',';
    append_json_int(out, kUnavailable[i]);
  }
  out += ']';
}

void append_placeholder(std::string& out, const ColumnSchema& column) {
  if (column.type == CellType::kBytes) return append_quoted_base64(out, kUnavailable);
  if (column.type == CellType::kArray && column.element_type == CellType::kInt64) return append_codes(out);
  const bool array = column.type == CellType::kArray;
  if (array) out += '[';
  static_cast<void>(append_json_string(out, kUnavailable));
  if (array) out += ']';
}

bool append_decimal(std::string& out, std::string_view text, const ColumnSchema& column) {
  if (text == "NaN") {
    out += "null";
    return true;
  }
  const std::size_t start = out.size();
  int scale = column.base_type == "money" ? 2 : column.scale;
  const bool declared = scale >= 0;
  std::string value;
  if (!append_unscaled(value, text, scale)) return append_json_string(out, text);  // infinities
  if (!declared) {
    out += "{\"scale\":";
    append_json_int(out, scale);
    out += ",\"value\":";
  }
  out += '"' + value + '"';
  if (!declared) out += '}';
  return out.size() > start;
}

void append_bits(std::string& out, std::string_view bits, const ColumnSchema& column) {
  if (column.base_type == "bit" && column.length == 1) {
    out += bits == "1" ? "true" : "false";
    return;
  }
  std::string bytes((bits.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < bits.size(); ++i) {
    if (bits[bits.size() - 1 - i] != '1') continue;
    bytes[i / 8] = static_cast<char>(static_cast<unsigned char>(bytes[i / 8]) | (1U << (i % 8)));
  }
  while (!bytes.empty() && bytes.back() == '\0') bytes.pop_back();
  append_quoted_base64(out, bytes);
}

void append_time_tz(std::string& out, std::string_view bytes) {
  const auto local = load<std::int64_t>(bytes, 0);
  const std::int64_t east = std::int64_t{load<std::int32_t>(bytes, 8)} * 1'000'000;
  out += '"';
  const bool midnight = local == kMicrosPerDay && east == 0;
  std::string text;
  append_time(text, midnight ? local : floor_mod(local - east, kMicrosPerDay));
  if (text.find('.') != std::string::npos) text.erase(text.find_last_not_of('0') + 1);
  out += text;
  out += "Z\"";
}

void append_duration(std::string& out, std::string_view bytes) {
  // Exact: at most 2^31 months are 5.6e21 microseconds, far inside 128 bits.
  __extension__ using Wide = __int128;
  const Wide total = static_cast<Wide>(load<std::int64_t>(bytes, 0)) +
                     static_cast<Wide>(load<std::int32_t>(bytes, 8)) * kMicrosPerDay +
                     static_cast<Wide>(load<std::int32_t>(bytes, 12)) * kMicrosPerMonth;
  constexpr Wide kMax = std::numeric_limits<std::int64_t>::max();
  constexpr Wide kMin = std::numeric_limits<std::int64_t>::min();
  append_json_int(out, static_cast<std::int64_t>(total > kMax ? kMax : total < kMin ? kMin : total));
}

void append_time_value(std::string& out, const Cell& cell, const ColumnSchema& column) {
  const std::int64_t value = signed_word(cell);
  const bool millis = column.scale >= 0 && column.scale <= 3;
  const bool infinite = cell.type != CellType::kTime && (value == kInfinity || value == kMinusInfinity);
  switch (cell.type) {
    case CellType::kDate:
      return append_json_int(out, !infinite            ? value
                                  : value == kInfinity ? kInfinityDays
                                                       : kMinusInfinityDays);
    case CellType::kTimestampTz: {
      out += '"';
      if (infinite) {
        out += value == kInfinity ? "infinity" : "-infinity";
      } else {
        append_timestamp(out, value, "Z", column.scale >= 0 && column.scale <= 6 ? column.scale : 6);
      }
      out += '"';
      return;
    }
    default:
      return append_json_int(out, millis && !infinite ? floor_div(value, 1000) : value);
  }
}

}  // namespace

bool append_unscaled(std::string& out, std::string_view decimal, int& scale) {
  const bool negative = !decimal.empty() && decimal.front() == '-';
  if (negative) decimal.remove_prefix(1);
  const std::size_t point = decimal.find('.');
  std::string digits(decimal.substr(0, point));
  const std::string_view fraction = point == std::string_view::npos ? "" : decimal.substr(point + 1);
  if (scale < 0) scale = static_cast<int>(fraction.size());
  if (fraction.size() > static_cast<std::size_t>(scale)) return false;
  digits += fraction;
  digits.append(static_cast<std::size_t>(scale) - fraction.size(), '0');
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) return false;

  // Little-endian limbs of 32 bits, nine digits at a time.
  std::vector<std::uint32_t> limbs;
  std::size_t at = 0;
  while (at < digits.size()) {
    std::uint64_t carry = 0;
    std::uint64_t factor = 1;
    for (const std::size_t end = std::min(digits.size(), at + 9); at < end; ++at) {
      carry = carry * 10 + static_cast<std::uint64_t>(digits[at] - '0');
      factor *= 10;
    }
    for (std::uint32_t& limb : limbs) {
      carry += limb * factor;
      limb = static_cast<std::uint32_t>(carry);
      carry >>= 32U;
    }
    if (carry != 0) limbs.push_back(static_cast<std::uint32_t>(carry));
  }
  std::string bytes(limbs.size() * 4 + 1, '\0');  // one more for the sign
  std::uint32_t add = 1;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::uint32_t byte = i / 4 < limbs.size() ? (limbs[i / 4] >> (8 * (i % 4))) & 0xffU : 0U;
    if (negative) {
      byte = (byte ^ 0xffU) + add;
      add = byte >> 8U;
    }
    bytes[bytes.size() - 1 - i] = static_cast<char>(byte & 0xffU);
  }
  std::size_t first = 0;
  while (first + 1 < bytes.size()) {
    const auto here = static_cast<unsigned char>(bytes[first]);
    const bool next_negative = (static_cast<unsigned char>(bytes[first + 1]) & 0x80U) != 0;
    if (here != (next_negative ? 0xffU : 0U)) break;
    ++first;
  }
  append_base64(out, std::string_view(bytes).substr(first));
  return true;
}

bool append_debezium_value(std::string& out, const Batch& batch, const Cell& cell,
                           const ColumnSchema& column) {
  switch (cell.type) {
    case CellType::kNull:
    case CellType::kAbsent:
      out += "null";
      return true;
    case CellType::kUnchanged:
      append_placeholder(out, column);
      return true;
    case CellType::kDecimal:
      return append_decimal(out, batch.bytes(cell), column);
    case CellType::kJson:
      return append_json_string(out, batch.bytes(cell));
    case CellType::kBits:
      append_bits(out, batch.bytes(cell), column);
      return true;
    case CellType::kTimeTz:
      append_time_tz(out, batch.bytes(cell));
      return true;
    case CellType::kInterval:
      append_duration(out, batch.bytes(cell));
      return true;
    case CellType::kDate:
    case CellType::kTime:
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      append_time_value(out, cell, column);
      return true;
    case CellType::kArray:
    case CellType::kStruct: {
      out += '[';
      bool first = true;
      for (const Cell& element : batch.elements(cell)) {
        if (!first) out += ',';
        first = false;
        // Debezium reads no array in an array.
        const bool nested = storage_of(element.type) == CellStorage::kCells;
        if (nested) out += "null";
        if (!nested && !append_debezium_value(out, batch, element, column)) return false;
      }
      out += ']';
      return true;
    }
    default:
      return append_json_cell(out, batch, cell, {});
  }
}

}  // namespace millrace
