#include "event/dump.h"

#include <array>
#include <bit>
#include <cstdio>
#include <cstring>

namespace millrace {
namespace {

constexpr std::array<const char*, kOpCount> kOpNames = {"read",    "insert", "update", "delete", "truncate",
                                                        "message", "schema", "begin",  "end"};

std::string hex(std::string_view bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    out += kDigits[value >> 4U];
    out += kDigits[value & 15U];
  }
  return out;
}

std::string interval(std::string_view bytes) {
  std::int64_t us = 0;
  std::int32_t days = 0;
  std::int32_t months = 0;
  std::memcpy(&us, bytes.data(), 8);
  std::memcpy(&days, bytes.data() + 8, 4);
  std::memcpy(&months, bytes.data() + 12, 4);
  return std::to_string(months) + "mon " + std::to_string(days) + "d " + std::to_string(us) + "us";
}

std::string time_tz(std::string_view bytes) {
  std::int64_t us = 0;
  std::int32_t east_s = 0;
  std::memcpy(&us, bytes.data(), 8);
  std::memcpy(&east_s, bytes.data() + 8, 4);
  return std::to_string(us) + "us" + (east_s < 0 ? "" : "+") + std::to_string(east_s) + "s";
}

std::string word(const Cell& cell, const char* name) {
  const auto value = static_cast<std::int64_t>(cell.word);
  const std::string text = value == kInfinity        ? "infinity"
                           : value == kMinusInfinity ? "-infinity"
                                                     : std::to_string(value);
  return std::string(name) + "(" + text + ")";
}

std::string list(const Batch& batch, const Cell& cell) {
  std::string out = "[";
  for (const Cell& element : batch.elements(cell)) {
    if (out.size() > 1) out += ",";
    out += dump_cell(batch, element);
  }
  return out + "]";
}

std::string image_text(const Batch& batch, const TableSchema& schema, std::span<const Cell> cells) {
  std::string out = "{";
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out += ' ';
    out += (i < schema.columns.size() ? schema.columns[i].name : std::to_string(i)) + "=" +
           dump_cell(batch, cells[i]);
  }
  return out + "}";
}

}  // namespace

std::string dump_cell(const Batch& batch, const Cell& cell) {
  switch (cell.type) {
    case CellType::kNull:
      return "null";
    case CellType::kUnchanged:
      return "~";
    case CellType::kAbsent:
      return "-";
    case CellType::kBool:
      return cell.word != 0 ? "true" : "false";
    case CellType::kInt64:
      return std::to_string(static_cast<std::int64_t>(cell.word));
    case CellType::kUint64:
      return std::to_string(cell.word) + "u";
    case CellType::kFloat64: {
      std::array<char, 40> text{};
      std::snprintf(text.data(), text.size(), "%.17gf", std::bit_cast<double>(cell.word));
      return text.data();
    }
    case CellType::kDecimal:
      return "decimal(" + std::string(batch.bytes(cell)) + ")";
    case CellType::kText:
      return "'" + std::string(batch.bytes(cell)) + "'";
    case CellType::kBytes:
      return "bytes(" + hex(batch.bytes(cell)) + ")";
    case CellType::kBits:
      return "bits(" + std::string(batch.bytes(cell)) + ")";
    case CellType::kDate:
      return word(cell, "date");
    case CellType::kTime:
      return word(cell, "time");
    case CellType::kTimestamp:
      return word(cell, "timestamp");
    case CellType::kTimestampTz:
      return word(cell, "timestamptz");
    case CellType::kTimeTz:
      return "timetz(" + time_tz(batch.bytes(cell)) + ")";
    case CellType::kInterval:
      return "interval(" + interval(batch.bytes(cell)) + ")";
    case CellType::kUuid:
      return "uuid(" + hex(batch.bytes(cell)) + ")";
    case CellType::kJson:
      return "json(" + std::string(batch.bytes(cell)) + ")";
    case CellType::kArray:
    case CellType::kStruct:
      return list(batch, cell);
  }
  return "?";
}

std::string dump(const Batch& batch) {
  std::string out;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const Row row = batch.row(i);
    const TableSchema& schema = batch.schema(row);
    out += std::string(kOpNames[static_cast<std::size_t>(row.op)]) + " " +
           std::string(batch.topics()[row.topic]);
    out += " tx=" + std::string(batch.commit(batch.transaction(row))) + " #" + std::to_string(row.index);
    if (!row.before.empty()) out += " " + image_text(batch, schema, row.before);
    if (!row.before.empty() && !row.after.empty()) out += " ->";
    if (!row.after.empty()) out += " " + image_text(batch, schema, row.after);
    out += '\n';
  }
  return out;
}

}  // namespace millrace
