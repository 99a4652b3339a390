#include "format/row_edit.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>

#include "base/text.h"
#include "event/row_copy.h"
#include "format/json_writer.h"
#include "format/time_parse.h"

namespace millrace {
namespace {

using Kind = JsonValue::Kind;

const char* wanted_for(CellType type) {
  switch (type) {
    case CellType::kBool:
      return "true or false";
    case CellType::kInt64:
    case CellType::kUint64:
      return "a whole number in its range";
    case CellType::kFloat64:
      return "a number, \"NaN\", \"Infinity\" or \"-Infinity\"";
    case CellType::kDecimal:
      return "a decimal as a string or a number";
    case CellType::kText:
      return "a string";
    case CellType::kBytes:
      return "a string in base64";
    case CellType::kBits:
      return "a string of 0 and 1";
    case CellType::kDate:
      return "a date such as \"2024-02-29\"";
    case CellType::kTime:
      return "a time such as \"13:45:59.123456\"";
    case CellType::kTimestamp:
      return "a time such as \"2024-02-29T13:45:59\"";
    case CellType::kTimestampTz:
      return "a time such as \"2024-02-29T13:45:59Z\"";
    case CellType::kTimeTz:
      return "a time such as \"13:45:59+02:00\"";
    case CellType::kInterval:
      return "a duration such as \"P1DT2H\"";
    case CellType::kUuid:
      return "a uuid as a string";
    case CellType::kJson:
      return "JSON";
    case CellType::kArray:
      return "an array of such values";
    default:
      return "nothing that can be edited";
  }
}

std::optional<std::uint64_t> as_word(std::optional<std::int64_t> number) {
  return number ? std::optional(static_cast<std::uint64_t>(*number)) : std::nullopt;
}

std::optional<double> parse_double(const JsonValue& value) {
  double number = 0;
  if (value.kind == Kind::kString) {
    if (value.text == "NaN") return std::numeric_limits<double>::quiet_NaN();
    if (value.text == "Infinity") return std::numeric_limits<double>::infinity();
    if (value.text == "-Infinity") return -std::numeric_limits<double>::infinity();
    return std::nullopt;
  }
  const char* end = value.raw.data() + value.raw.size();
  const auto read = std::from_chars(value.raw.data(), end, number);
  return value.kind == Kind::kNumber && read.ec == std::errc() && read.ptr == end ? std::optional(number)
                                                                                  : std::nullopt;
}

/// Date or timestamp; a source may know infinite ones.
std::optional<std::uint64_t> parse_day(CellType type, const std::string& text) {
  if (text == "infinity") return static_cast<std::uint64_t>(kInfinity);
  if (text == "-infinity") return static_cast<std::uint64_t>(kMinusInfinity);
  return as_word(type == CellType::kDate ? parse_date(text)
                                         : parse_timestamp(text, type == CellType::kTimestampTz));
}

std::optional<std::uint64_t> parse_word(CellType type, const JsonValue& value) {
  const bool is_number = value.kind == Kind::kNumber;
  switch (type) {
    case CellType::kBool:
      if (value.kind != Kind::kBool) return std::nullopt;
      return value.raw == "true" ? 1 : 0;
    case CellType::kInt64:
      return is_number ? as_word(parse_int64(value.raw)) : std::nullopt;
    case CellType::kUint64:
      return is_number ? parse_uint64(value.raw) : std::nullopt;
    case CellType::kFloat64: {
      const auto number = parse_double(value);
      return number ? std::optional(std::bit_cast<std::uint64_t>(*number)) : std::nullopt;
    }
    default:
      break;
  }
  if (value.kind != Kind::kString) return std::nullopt;
  return type == CellType::kTime ? as_word(parse_time(value.text)) : parse_day(type, value.text);
}

template <typename T>
void append_raw(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  std::string out;
  std::uint32_t group = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool pad = i + padding >= text.size();
    const std::size_t digit = pad ? 0 : kAlphabet.find(text[i]);
    if (digit == std::string_view::npos) return std::nullopt;
    group = group << 6U | static_cast<std::uint32_t>(digit);
    if (i % 4 != 3) continue;
    for (int shift = 16; shift >= 0; shift -= 8) out.push_back(static_cast<char>(group >> shift));
    group = 0;
  }
  out.resize(out.size() - padding);
  return out;
}

std::optional<std::string> decode_uuid(std::string text) {
  std::erase(text, '-');
  if (text.size() != 32) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto byte = parse_hex(std::string_view(text).substr(i, 2));
    if (!byte) return std::nullopt;
    out.push_back(static_cast<char>(*byte));
  }
  return out;
}

std::optional<std::string> pack_time_tz(const std::optional<TimeTz>& time) {
  if (!time) return std::nullopt;
  std::string out;
  append_raw(out, time->micros);
  append_raw(out, time->seconds_east);
  append_raw(out, std::int32_t{0});
  return out;
}

std::optional<std::string> pack_interval(const std::optional<Interval>& interval) {
  if (!interval) return std::nullopt;
  std::string out;
  append_raw(out, interval->micros);
  append_raw(out, interval->days);
  append_raw(out, interval->months);
  return out;
}

bool is_decimal(const std::string& text) {
  return is_json_number(text) || text == "NaN" || text == "Infinity" || text == "-Infinity";
}

std::optional<std::string> parse_bytes(CellType type, const ColumnSchema& column, const JsonValue& value) {
  if (type == CellType::kJson) return value.raw;
  if (type == CellType::kDecimal && value.kind == Kind::kNumber) return value.raw;
  if (value.kind != Kind::kString) return std::nullopt;
  const std::string& text = value.text;
  switch (type) {
    case CellType::kDecimal:
      return is_decimal(text) ? std::optional(text) : std::nullopt;
    case CellType::kText: {
      const auto& allowed = column.allowed_values;
      const bool fits = allowed.empty() || std::ranges::find(allowed, text) != allowed.end();
      return fits ? std::optional(text) : std::nullopt;
    }
    case CellType::kBits:
      return text.find_first_not_of("01") == std::string::npos ? std::optional(text) : std::nullopt;
    case CellType::kBytes:
      return decode_base64(text);
    case CellType::kUuid:
      return decode_uuid(text);
    case CellType::kTimeTz:
      return pack_time_tz(parse_time_tz(text));
    case CellType::kInterval:
      return pack_interval(parse_interval(text));
    default:
      return std::nullopt;
  }
}

/// False when `value` does not fit.
bool set_cell(BatchBuilder& out, std::uint32_t to, CellType type, const ColumnSchema& column,
              const JsonValue& value);

bool set_array(BatchBuilder& out, std::uint32_t to, const ColumnSchema& column, const JsonValue& value,
               int depth) {
  const auto elements = parse_json_array(value.raw);
  if (!elements || depth > kMaxCellDepth) return false;
  const std::uint32_t first = out.add_cells(elements->size());
  out.cell(to) = BatchBuilder::put_cells(CellType::kArray, first, elements->size());
  for (std::uint32_t i = 0; i < elements->size(); ++i) {
    const JsonValue& element = (*elements)[i];
    const bool nested = element.kind == Kind::kArray && column.element_type != CellType::kJson;
    if (nested
            ? !set_array(out, first + i, column, element, depth + 1)
            : element.kind != Kind::kNull && !set_cell(out, first + i, column.element_type, column, element))
      return false;
  }
  return true;
}

bool set_cell(BatchBuilder& out, std::uint32_t to, CellType type, const ColumnSchema& column,
              const JsonValue& value) {
  switch (storage_of(type)) {
    case CellStorage::kWord: {
      const auto word = parse_word(type, value);
      if (word) out.cell(to) = BatchBuilder::put_word(type, *word);
      return word.has_value();
    }
    case CellStorage::kBytes: {
      const auto bytes = parse_bytes(type, column, value);
      if (bytes) out.cell(to) = out.put_bytes(type, *bytes);
      return bytes.has_value();
    }
    case CellStorage::kCells:
      break;
  }
  return type == CellType::kArray && value.kind == Kind::kArray && set_array(out, to, column, value, 1);
}

}  // namespace

Status parse_json_cell(BatchBuilder& out, std::uint32_t to, const ColumnSchema& column,
                       const JsonValue& value) {
  if (value.kind == Kind::kNull) {
    if (!column.optional) return stop_error("column " + column.name + " does not take NULL");
    out.cell(to) = BatchBuilder::put_mark(CellType::kNull);
    return {};
  }
  if (set_cell(out, to, column.type, column, value)) return {};
  std::string wanted = wanted_for(column.type);
  if (column.type == CellType::kArray) wanted += std::string(": ") + wanted_for(column.element_type);
  if (!column.allowed_values.empty()) wanted = "one of the values of its type";
  return stop_error("column " + column.name + " is of type " + column.source_type + " and takes " + wanted);
}

Result<EditedRow> edit_row(const Batch& batch, std::size_t row, std::string_view json) {
  const Row change = batch.row(row);
  const TableSchema& schema = batch.schema(change);
  if (change.after.size() != schema.columns.size())
    return stop_error("the row has no values to edit: it was deleted or truncated");
  const auto edit = parse_json_object(json);
  if (!edit) return stop_error("edit: " + edit.error().message + " of columns and values");
  EditedRow out;
  std::map<std::size_t, const JsonValue*> values;
  for (const auto& [name, value] : edit->members()) {
    const auto column = find_column(schema, name);
    if (!column) {
      std::vector<std::string_view> known;
      known.reserve(schema.columns.size());
      for (const ColumnSchema& one : schema.columns) known.push_back(one.name);
      const std::string near(nearest_name(name, known));
      return stop_error("table " + schema.table + " has no column " + name,
                        near.empty() ? std::string() : "did you mean " + near + "?");
    }
    values[*column] = &value;
    out.columns += (out.columns.empty() ? "" : ",") + name;
  }
  if (values.empty()) return stop_error("edit: no column is named");
  Status status;
  out.batch = copy_row(batch, row, [&](BatchBuilder& builder, std::size_t column, std::uint32_t to) {
    const auto value = values.find(column);
    if (value == values.end() || !status) return false;
    status = parse_json_cell(builder, to, schema.columns[column], *value->second);
    return static_cast<bool>(status);
  });
  if (!status) return std::move(status).error();
  return out;
}

}  // namespace millrace
