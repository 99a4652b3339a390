#include "sink/redis/target/template_part.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "base/text.h"
#include "format/row_json.h"
#include "format/time_text.h"

namespace millrace::redis {
namespace {

using Kind = TemplatePart::Kind;
using Function = TemplatePart::Function;

constexpr std::string_view kColumnMark = "column:";
constexpr std::size_t kMaxTemplateBytes = 4096;
constexpr std::int64_t kMicrosPerDay = 86'400'000'000;
constexpr std::uint32_t kMaxModulus = 1'000'000'000;

Error bad_template(const std::string& what) {
  return stop_error(what, "write for example flight:{id}, or {table}:{region}:{id}");
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

bool is_date_format(std::string_view format) {
  for (std::size_t at = format.find('%'); at != std::string_view::npos; at = format.find('%', at + 2)) {
    if (at + 1 >= format.size() || std::string_view("YmdHMS%").find(format[at + 1]) == std::string_view::npos)
      return false;
  }
  return !format.empty();
}

/// `lower(name)`, `hash(id, 16)`: the function's name, and between the brackets.
Status parse_call(std::string_view name, std::string_view inside, TemplatePart& part) {
  const std::size_t comma = inside.find(',');
  const std::string_view argument =
      comma == std::string_view::npos ? std::string_view() : trimmed(inside.substr(comma + 1));
  part.kind = Kind::kColumn;
  part.text = trimmed(inside.substr(0, comma));
  if (part.text.empty()) return bad_template("the column in " + std::string(name) + "() is missing");
  if (name == "lower" || name == "upper") {
    part.function = name == "lower" ? Function::kLower : Function::kUpper;
    if (comma != std::string_view::npos) return bad_template(std::string(name) + "() takes a column only");
    return {};
  }
  if (name == "hash") {
    part.function = Function::kHash;
    if (comma == std::string_view::npos) return {};
    const auto modulus = parse_uint64(argument);
    if (!modulus || *modulus < 2 || *modulus > kMaxModulus)
      return bad_template("hash() takes a column and, if wanted, a number of at least 2");
    part.modulus = static_cast<std::uint32_t>(*modulus);
    return {};
  }
  if (name != "date") {
    return stop_error("there is no function " + std::string(name) + "()",
                      "known are lower, upper, hash and date; {column:" + std::string(name) +
                          "(...)} is a column of that name");
  }
  part.function = Function::kDate;
  part.format = argument;
  if (is_date_format(part.format)) return {};
  return stop_error("date() takes a column and a format of %Y %m %d %H %M %S",
                    "write for example {date(created_at, %Y-%m)}");
}

Result<TemplatePart> parse_braces(std::string_view name) {
  TemplatePart part{Kind::kColumn, std::string(name)};
  if (name == "topic") part.kind = Kind::kTopic;
  if (name == "table") part.kind = Kind::kTable;
  if (name == "schema") part.kind = Kind::kSchema;
  const std::size_t open = name.find('(');
  if (name.starts_with(kColumnMark)) {
    part.text = name.substr(kColumnMark.size());
  } else if (open != std::string_view::npos && name.ends_with(')')) {
    MILLRACE_TRY(
        parse_call(trimmed(name.substr(0, open)), name.substr(open + 1, name.size() - open - 2), part));
  }
  if (part.text.empty() || part.text.find('{') != std::string::npos)
    return bad_template("a name between { and } is missing");
  return part;
}

std::array<unsigned char, 20> sha1(std::string_view text) {
  std::array<unsigned char, 20> digest{};
  unsigned int size = 0;
  MILLRACE_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) == 1);
  return digest;
}

void append_hash(std::string& out, std::string_view text, std::uint32_t modulus) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto digest = sha1(text);
  if (modulus == 0) {
    for (const unsigned char byte : digest) {
      out += kHex[byte >> 4U];
      out += kHex[byte & 15U];
    }
    return;
  }
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8U | digest[i];
  out += std::to_string(number % modulus);
}

/// Picks the parts out of the ISO form, so that years of any length come out as there.
void append_date_parts(std::string& out, const std::string& format, const Cell& cell) {
  const auto value = static_cast<std::int64_t>(cell.word);
  if (value == kInfinity || value == kMinusInfinity) {
    out += value == kInfinity ? "infinity" : "-infinity";
    return;
  }
  const std::int64_t days = cell.type == CellType::kDate ? value : floor_div(value, kMicrosPerDay);
  std::string date;
  std::string time;
  append_date(date, days);
  append_time(time, cell.type == CellType::kDate ? 0 : floor_mod(value, kMicrosPerDay), 0);
  const std::size_t month = date.find('-', 1);
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    switch (format[++i]) {
      case 'Y':
        out += date.substr(0, month);
        break;
      case 'm':
        out += month == std::string::npos ? "" : date.substr(month + 1, 2);
        break;
      case 'd':
        out += month == std::string::npos ? "" : date.substr(month + 4, 2);
        break;
      case 'H':
        out += time.substr(0, 2);
        break;
      case 'M':
        out += time.substr(3, 2);
        break;
      case 'S':
        out += time.substr(6, 2);
        break;
      default:
        out += '%';
    }
  }
}

}  // namespace

Result<std::vector<TemplatePart>> parse_template(std::string_view text) {
  std::vector<TemplatePart> parts;
  if (text.size() > kMaxTemplateBytes) return bad_template("it is longer than 4096 bytes");
  std::string literal;
  const auto close_literal = [&] {
    if (!literal.empty()) parts.push_back({Kind::kText, std::exchange(literal, {})});
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool doubled = (c == '{' || c == '}') && i + 1 < text.size() && text[i + 1] == c;
    if (doubled) {
      literal += c;
      ++i;
    } else if (c == '}') {
      return bad_template("a } has no { in front of it; write }} for the character itself");
    } else if (c != '{') {
      literal += c;
    } else {
      const std::size_t close = text.find('}', i);
      if (close == std::string_view::npos)
        return bad_template("a { has no } behind it; write {{ for the character itself");
      auto part = parse_braces(text.substr(i + 1, close - i - 1));
      if (!part) return std::move(part).error();
      close_literal();
      parts.push_back(std::move(*part));
      i = close;
    }
  }
  close_literal();
  return parts;
}

std::string_view part_fault(const TemplatePart& part, const ColumnSchema& column) {
  if (part.function != Function::kDate) return {};
  switch (column.type) {
    case CellType::kDate:
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      return {};
    default:
      return "date() takes a date or timestamp column";
  }
}

std::string near_column(const TableSchema& schema, std::string_view name) {
  std::vector<std::string_view> known;
  known.reserve(schema.columns.size());
  for (const ColumnSchema& column : schema.columns) known.push_back(column.name);
  const std::string_view near = nearest_name(name, known);
  return near.empty() ? std::string() : "did you mean " + std::string(near) + "?";
}

bool append_part(std::string& out, const TemplatePart& part, const Batch& batch, const Cell& cell) {
  if (part.function == Function::kDate) {
    append_date_parts(out, part.format, cell);
    return true;
  }
  const std::size_t start = out.size();
  if (!append_text_cell(out, batch, cell, {})) return false;
  const auto value = out.begin() + static_cast<std::ptrdiff_t>(start);
  switch (part.function) {
    case Function::kLower:
      std::transform(value, out.end(), value,
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; });
      break;
    case Function::kUpper:
      std::transform(value, out.end(), value,
                     [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - ('a' - 'A')) : c; });
      break;
    case Function::kHash: {
      const std::string text = out.substr(start);
      out.resize(start);
      append_hash(out, text, part.modulus);
      break;
    }
    default:
      break;
  }
  return true;
}

bool may_be_value(CellType type, std::string_view text) {
  const auto made_of = [text](std::string_view characters) {
    return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
  };
  switch (type) {
    case CellType::kBool:
      return text == "true" || text == "false";
    case CellType::kInt64:
    case CellType::kUint64:
      return made_of("0123456789-");
    case CellType::kFloat64:
    case CellType::kDecimal:
      return made_of("0123456789+-.eENaInfity");  // NaN, Infinity
    case CellType::kBits:
      return text.find_first_not_of("01") == std::string_view::npos;
    case CellType::kUuid:
      return made_of("0123456789abcdef-");
    default:
      return true;
  }
}

}  // namespace millrace::redis
