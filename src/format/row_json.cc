#include "format/row_json.h"

#include <bit>
#include <cstring>

#include "format/json_writer.h"
#include "format/time_text.h"

namespace millrace {
namespace {

using Times = JsonOptions::Times;

std::int64_t signed_word(const Cell& cell) { return static_cast<std::int64_t>(cell.word); }

template <typename T>
T load(std::string_view bytes, std::size_t offset) {
  T value{};
  if (bytes.size() >= offset + sizeof(T)) std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

constexpr std::int64_t kMicrosPerDay = 86'400'000'000;

/// Text of a date or time in ISO form.
void append_iso(std::string& out, const Batch& batch, const Cell& cell) {
  switch (cell.type) {
    case CellType::kDate:
      return append_date(out, signed_word(cell));
    case CellType::kTime:
      return append_time(out, signed_word(cell));
    case CellType::kTimestamp:
      return append_timestamp(out, signed_word(cell), "");
    case CellType::kTimestampTz:
      return append_timestamp(out, signed_word(cell), "Z");
    case CellType::kTimeTz: {
      const std::string_view bytes = batch.bytes(cell);
      append_time(out, load<std::int64_t>(bytes, 0));
      return append_zone_offset(out, load<std::int32_t>(bytes, 8));
    }
    default: {
      const std::string_view bytes = batch.bytes(cell);
      return append_interval(out, load<std::int64_t>(bytes, 0), load<std::int32_t>(bytes, 8),
                             load<std::int32_t>(bytes, 12));
    }
  }
}

bool is_infinite(const Cell& cell) {
  const bool can_be = cell.type == CellType::kDate || cell.type == CellType::kTimestamp ||
                      cell.type == CellType::kTimestampTz;
  return can_be && (signed_word(cell) == kInfinity || signed_word(cell) == kMinusInfinity);
}

/// Dates and times with a number in the epoch modes; the others are text always.
bool has_epoch_form(CellType type) {
  return type == CellType::kDate || type == CellType::kTime || type == CellType::kTimestamp ||
         type == CellType::kTimestampTz;
}

void append_epoch(std::string& out, const Cell& cell, Times times) {
  std::int64_t value = signed_word(cell);
  if (cell.type == CellType::kDate) {
    const std::int64_t a_day = times == Times::kMillis ? kMicrosPerDay / 1000 : kMicrosPerDay;
    std::int64_t product = 0;
    if (__builtin_mul_overflow(value, a_day, &product)) product = value < 0 ? INT64_MIN : INT64_MAX;
    value = product;
  } else if (times == Times::kMillis) {
    value = floor_div(value, 1000);
  }
  append_json_int(out, value);
}

/// Everything that is written as text without need of an escape. False: not such a type.
bool append_plain(std::string& out, const Batch& batch, const Cell& cell) {
  switch (cell.type) {
    case CellType::kDate:
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      if (is_infinite(cell)) {
        out += signed_word(cell) == kInfinity ? "infinity" : "-infinity";
        return true;
      }
      [[fallthrough]];
    case CellType::kTime:
    case CellType::kTimeTz:
    case CellType::kInterval:
      append_iso(out, batch, cell);
      return true;
    case CellType::kUuid:
      append_uuid(out, batch.bytes(cell));
      return true;
    case CellType::kBytes:
      append_base64(out, batch.bytes(cell));
      return true;
    default:
      return false;
  }
}

bool append_elements(std::string& out, const Batch& batch, const Cell& cell, const JsonOptions& options) {
  out += '[';
  bool first = true;
  for (const Cell& element : batch.elements(cell)) {
    if (!first) out += ',';
    first = false;
    if (!append_json_cell(out, batch, element, options)) return false;
  }
  out += ']';
  return true;
}

Error bad_text(const TableSchema& schema, std::size_t column) {
  const ColumnSchema& c = schema.columns[column];
  return reject_error("column " + c.name + " of " + schema.schema + "." + schema.table +
                          " holds text that is not UTF-8 or not JSON",
                      "JSON is UTF-8: repair the value in the source, or store it as bytea (a database with "
                      "encoding SQL_ASCII checks "
                      "nothing)");
}

}  // namespace

bool append_json_cell(std::string& out, const Batch& batch, const Cell& cell, const JsonOptions& options) {
  switch (cell.type) {
    case CellType::kNull:
    case CellType::kUnchanged:
    case CellType::kAbsent:
      out += "null";
      return true;
    case CellType::kBool:
      out += cell.word != 0 ? "true" : "false";
      return true;
    case CellType::kInt64:
      append_json_int(out, signed_word(cell));
      return true;
    case CellType::kUint64:
      append_json_uint(out, cell.word);
      return true;
    case CellType::kFloat64:
      append_json_double(out, std::bit_cast<double>(cell.word));
      return true;
    case CellType::kDecimal:
      if (options.decimals == JsonOptions::Decimals::kNumber && is_json_number(batch.bytes(cell))) {
        out += batch.bytes(cell);
        return true;
      }
      return append_json_string(out, batch.bytes(cell));
    case CellType::kText:
    case CellType::kBits:
      return append_json_string(out, batch.bytes(cell));
    case CellType::kJson:
      return append_json_verbatim(out, batch.bytes(cell));
    case CellType::kArray:
    case CellType::kStruct:
      return append_elements(out, batch, cell, options);
    default:
      break;
  }
  if (options.times != Times::kIso && has_epoch_form(cell.type) && !is_infinite(cell)) {
    append_epoch(out, cell, options.times);
    return true;
  }
  out += '"';
  const bool known = append_plain(out, batch, cell);
  out += '"';
  return known;
}

bool append_text_cell(std::string& out, const Batch& batch, const Cell& cell, const JsonOptions& options) {
  switch (cell.type) {
    case CellType::kNull:
    case CellType::kUnchanged:
    case CellType::kAbsent:
      return true;
    case CellType::kFloat64:
      append_double_text(out, std::bit_cast<double>(cell.word));
      return true;
    case CellType::kDecimal:
    case CellType::kText:
    case CellType::kBits:
    case CellType::kJson:
      out += batch.bytes(cell);
      return true;
    case CellType::kBool:
    case CellType::kInt64:
    case CellType::kUint64:
    case CellType::kArray:
    case CellType::kStruct:
      return append_json_cell(out, batch, cell, options);
    default:
      break;
  }
  if (options.times != Times::kIso && has_epoch_form(cell.type) && !is_infinite(cell)) {
    append_epoch(out, cell, options.times);
    return true;
  }
  return append_plain(out, batch, cell);
}

RowJsonWriter::RowJsonWriter(TableSchemaPtr schema, JsonOptions options)
    : schema_(std::move(schema)), options_(options) {
  prefixes_.reserve(schema_->columns.size());
  for (const ColumnSchema& column : schema_->columns) prefixes_.push_back(json_key_prefix(column.name, true));
}

Status RowJsonWriter::append_member(std::string& out, const Batch& batch, std::size_t column,
                                    const Cell& cell, bool first) const {
  const std::size_t start = out.size();
  const std::string_view prefix = prefixes_[column];
  out += first ? prefix.substr(1) : prefix;
  Status done = append_value(out, batch, column, cell);
  if (!done) out.resize(start);
  return done;
}

Status RowJsonWriter::append_value(std::string& out, const Batch& batch, std::size_t column,
                                   const Cell& cell) const {
  const std::size_t start = out.size();
  if (append_json_cell(out, batch, cell, options_)) return {};
  out.resize(start);
  return bad_text(*schema_, column);
}

Status RowJsonWriter::append_text(std::string& out, const Batch& batch, std::size_t column,
                                  const Cell& cell) const {
  const std::size_t start = out.size();
  if (append_text_cell(out, batch, cell, options_)) return {};
  out.resize(start);
  return bad_text(*schema_, column);
}

Status RowJsonWriter::append(std::string& out, const Batch& batch, std::span<const Cell> cells) const {
  MILLRACE_CHECK(cells.size() == prefixes_.size());
  const std::size_t start = out.size();
  out += '{';
  bool first = true;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (is_missing(cells[i])) continue;
    const std::string_view prefix = prefixes_[i];
    out += first ? prefix.substr(1) : prefix;
    first = false;
    if (append_json_cell(out, batch, cells[i], options_)) continue;
    out.resize(start);
    return bad_text(*schema_, i);
  }
  out += '}';
  return {};
}

}  // namespace millrace
