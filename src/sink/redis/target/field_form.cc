#include "sink/redis/target/field_form.h"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"
#include "format/geometry.h"
#include "format/json_writer.h"
#include "format/time_text.h"

namespace millrace::redis {
namespace {

using Function = FieldForm::Function;

constexpr std::int64_t kSecondsPerDay = 86'400;
constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::size_t kMaxNumberBits = 63;
// A year and a month of an interval as PostgreSQL counts them in extract(epoch from ...).
constexpr std::int64_t kSecondsPerYear = 31'557'600;
constexpr std::int64_t kDaysPerMonth = 30;

constexpr std::array<std::pair<std::string_view, Function>, 9> kFunctions = {{
    {"text", Function::kText},
    {"number", Function::kNumber},
    {"epoch", Function::kEpoch},
    {"millis", Function::kMillis},
    {"micros", Function::kMicros},
    {"iso", Function::kIso},
    {"geo", Function::kGeo},
    {"wkt", Function::kWkt},
    {"vector", Function::kVector},
}};

bool is_time(CellType type) {
  switch (type) {
    case CellType::kDate:
    case CellType::kTime:
    case CellType::kTimeTz:
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
    case CellType::kInterval:
      return true;
    default:
      return false;
  }
}

template <typename T>
T load(std::string_view bytes, std::size_t offset) {
  T value{};
  if (bytes.size() >= offset + sizeof(T)) std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

/// Whole days and microseconds beside them.
struct Span {
  std::int64_t days = 0;
  std::int64_t micros = 0;
};

/// How far a time is from where it is counted from; nothing for infinite ones.
std::optional<Span> span_of(const Batch& batch, const Cell& cell) {
  const auto value = static_cast<std::int64_t>(cell.word);
  switch (cell.type) {
    case CellType::kDate:
      if (value == kInfinity || value == kMinusInfinity) return std::nullopt;
      return Span{value, 0};
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      if (value == kInfinity || value == kMinusInfinity) return std::nullopt;
      return Span{0, value};
    case CellType::kTime:
      return Span{0, value};
    case CellType::kTimeTz: {
      const std::string_view bytes = batch.bytes(cell);
      return Span{0, load<std::int64_t>(bytes, 0) - load<std::int32_t>(bytes, 8) * kMicrosPerSecond};
    }
    default: {
      const std::string_view bytes = batch.bytes(cell);
      const std::int64_t months = load<std::int32_t>(bytes, 12);
      const std::int64_t days = load<std::int32_t>(bytes, 8) + months % 12 * kDaysPerMonth;
      std::int64_t micros = 0;
      const std::int64_t years = months / 12 * kSecondsPerYear * kMicrosPerSecond;
      if (__builtin_add_overflow(years, load<std::int64_t>(bytes, 0), &micros)) return std::nullopt;
      return Span{days, micros};
    }
  }
}

/// The time in units of which a second has `a_second`, rounded down; nothing when there are too many.
std::optional<std::int64_t> units_of(const Batch& batch, const Cell& cell, std::int64_t a_second) {
  const auto span = span_of(batch, cell);
  std::int64_t days = 0;
  std::int64_t out = 0;
  if (!span || __builtin_mul_overflow(span->days, kSecondsPerDay * a_second, &days) ||
      __builtin_add_overflow(days, floor_div(span->micros, kMicrosPerSecond / a_second), &out))
    return std::nullopt;
  return out;
}

bool append_units(std::string& out, const Batch& batch, const Cell& cell, std::int64_t a_second) {
  const auto units = units_of(batch, cell, a_second);
  if (units) append_json_int(out, *units);
  return units.has_value();
}

/// Seconds with as many digits behind the point as there are.
bool append_epoch(std::string& out, const Batch& batch, const Cell& cell) {
  const auto micros = units_of(batch, cell, kMicrosPerSecond);
  if (!micros) return append_units(out, batch, cell, 1);
  if (*micros < 0) out += '-';
  const std::uint64_t size =
      *micros < 0 ? 0 - static_cast<std::uint64_t>(*micros) : static_cast<std::uint64_t>(*micros);
  append_json_uint(out, size / kMicrosPerSecond);
  std::uint64_t rest = size % kMicrosPerSecond;
  if (rest == 0) return true;
  std::string digits = std::to_string(rest + kMicrosPerSecond);  // with a 1 in front, so that zeros stay
  digits.erase(digits.find_last_not_of('0') + 1);
  out += '.' + digits.substr(1);
  return true;
}

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::optional<double> double_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// A whole number with all its digits, others as the nearest double.
bool append_number_text(std::string& out, std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error == std::errc() && end == text.data() + text.size()) {
    append_json_int(out, whole);
    return true;
  }
  const auto value = double_of(text);
  if (value) append_double_text(out, *value);
  return value.has_value();
}

bool append_number(std::string& out, const Batch& batch, const Cell& cell, const JsonOptions& options);

bool append_numbers(std::string& out, const Batch& batch, const Cell& cell, const JsonOptions& options) {
  const std::size_t start = out.size();
  char before = '[';
  for (const Cell& element : batch.elements(cell)) {
    out += before;
    before = ',';
    if (has_value(element) && append_number(out, batch, element, options)) continue;
    out.resize(start);
    return false;
  }
  out += before == '[' ? "[]" : "]";
  return true;
}

bool append_number(std::string& out, const Batch& batch, const Cell& cell, const JsonOptions& options) {
  if (is_time(cell.type))
    return append_units(out, batch, cell,
                        options.times == JsonOptions::Times::kMicros ? kMicrosPerSecond : 1000);
  switch (cell.type) {
    case CellType::kBool:
      out += cell.word != 0 ? '1' : '0';
      return true;
    case CellType::kInt64:
      append_json_int(out, static_cast<std::int64_t>(cell.word));
      return true;
    case CellType::kUint64:
      append_json_uint(out, cell.word);
      return true;
    case CellType::kFloat64: {
      const double value = std::bit_cast<double>(cell.word);
      if (!std::isfinite(value)) return false;
      append_double_text(out, value);
      return true;
    }
    case CellType::kDecimal:
    case CellType::kText:
    case CellType::kJson:
      return append_number_text(out, batch.bytes(cell));
    case CellType::kBits: {
      const std::string_view bits = batch.bytes(cell);
      if (bits.empty() || bits.size() > kMaxNumberBits) return false;
      std::uint64_t value = 0;
      for (const char bit : bits) value = value << 1U | (bit == '1' ? 1U : 0U);
      append_json_uint(out, value);
      return true;
    }
    case CellType::kArray:
      return append_numbers(out, batch, cell, options);
    default:
      return false;
  }
}

/// The numbers of an array, or of a text such as `[1,0.5]` (json, pgvector).
std::optional<std::vector<double>> vector_of(const Batch& batch, const Cell& cell) {
  std::string made;
  std::string_view text;
  if (cell.type == CellType::kArray) {
    if (!append_numbers(made, batch, cell, {})) return std::nullopt;
    text = made;
  } else if (storage_of(cell.type) == CellStorage::kBytes) {
    text = trimmed(batch.bytes(cell));
  }
  if (!text.starts_with('[') || !text.ends_with(']') || text.size() <= 2) return std::nullopt;
  text = text.substr(1, text.size() - 2);
  std::vector<double> out;
  for (;;) {
    const std::size_t comma = text.find(',');
    const auto value = double_of(trimmed(text.substr(0, comma)));
    if (!value) return std::nullopt;
    out.push_back(*value);
    if (comma == std::string_view::npos) return out;
    text.remove_prefix(comma + 1);
  }
}

template <typename T>
void append_packed(std::string& out, double value) {
  const T number = static_cast<T>(value);
  char bytes[sizeof(T)];
  std::memcpy(bytes, &number, sizeof(T));  // little-endian, as Redis wants it on the machines it runs on
  out.append(bytes, sizeof(T));
}

bool append_vector(std::string& out, const FieldForm& form, const Batch& batch, const Cell& cell) {
  const auto values = vector_of(batch, cell);
  if (!values) return false;
  char before = '[';
  for (const double value : *values) {
    switch (form.packing) {
      case FieldForm::Packing::kFloat32:
        append_packed<float>(out, value);
        break;
      case FieldForm::Packing::kFloat64:
        append_packed<double>(out, value);
        break;
      case FieldForm::Packing::kNone:
        out += before;
        before = ',';
        append_double_text(out, value);
        break;
    }
  }
  if (form.packing == FieldForm::Packing::kNone) out += ']';
  return true;
}

/// The text that places and shapes are told from.
std::string shape_text(const Batch& batch, const Cell& cell) {
  std::string out;
  if (cell.type == CellType::kArray) {
    if (!append_numbers(out, batch, cell, {})) return {};
    return out.substr(1, out.size() - 2);  // `[lon,lat]`
  }
  if (cell.type == CellType::kText) return std::string(batch.bytes(cell));
  return {};
}

}  // namespace

std::optional<Function> field_function(std::string_view name) {
  const auto* found = std::ranges::find(kFunctions, name, &std::pair<std::string_view, Function>::first);
  return found == kFunctions.end() ? std::nullopt : std::optional(found->second);
}

std::string field_functions() {
  std::string out;
  for (const auto& [name, function] : kFunctions) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

std::string_view form_fault(Function function, const ColumnSchema& column) {
  switch (function) {
    case Function::kEpoch:
    case Function::kMillis:
    case Function::kMicros:
    case Function::kIso:
      return is_time(column.type) ? ""
                                  : "epoch(), millis(), micros() and iso() take dates, times and intervals";
    case Function::kNumber: {
      const CellType type = column.type == CellType::kArray ? column.element_type : column.type;
      const bool none = type == CellType::kBytes || type == CellType::kUuid || type == CellType::kStruct;
      return none ? "number() takes numbers, times, booleans, bits and texts" : "";
    }
    case Function::kGeo:
    case Function::kWkt:
      return column.type == CellType::kText || column.type == CellType::kArray
                 ? ""
                 : "geo() and wkt() take points, shapes and texts";
    case Function::kVector:
      return column.type == CellType::kArray || column.type == CellType::kText ||
                     column.type == CellType::kJson
                 ? ""
                 : "vector() takes arrays of numbers, json and texts";
    default:
      return {};
  }
}

bool append_form(std::string& out, const FieldForm& form, const Batch& batch, const Cell& cell,
                 const JsonOptions& options) {
  switch (form.function) {
    case Function::kNone:
      break;
    case Function::kText: {
      const std::size_t start = out.size();
      const bool done = append_text_cell(out, batch, cell, options);
      if (!done) out.resize(start);
      return done;
    }
    case Function::kNumber:
      return append_number(out, batch, cell, options);
    case Function::kEpoch:
      return is_time(cell.type) && append_epoch(out, batch, cell);
    case Function::kMillis:
      return is_time(cell.type) && append_units(out, batch, cell, 1000);
    case Function::kMicros:
      return is_time(cell.type) && append_units(out, batch, cell, kMicrosPerSecond);
    case Function::kIso:
      return is_time(cell.type) && append_text_cell(out, batch, cell, {});
    case Function::kGeo:
      return append_lon_lat(out, shape_text(batch, cell));
    case Function::kWkt:
      return append_wkt(out, shape_text(batch, cell));
    case Function::kVector:
      return append_vector(out, form, batch, cell);
  }
  MILLRACE_CHECK(false);  // the plain value is the row writer's
  return false;
}

bool append_place(std::string& out, const Batch& lon_batch, const Cell& lon, const Batch& lat_batch,
                  const Cell& lat) {
  std::string text;
  if (!append_number(text, lon_batch, lon, {})) return false;
  text += ',';
  return append_number(text, lat_batch, lat, {}) && append_lon_lat(out, text);
}

bool is_text(Function function) {
  return function == Function::kText || function == Function::kIso || function == Function::kGeo ||
         function == Function::kWkt;
}

}  // namespace millrace::redis
