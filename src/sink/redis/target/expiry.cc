#include "sink/redis/target/expiry.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "format/time_text.h"
#include "sink/redis/client/resp.h"

namespace millrace::redis {
namespace {

constexpr std::int64_t kMillisPerDay = 86'400'000;
// What Redis takes for a field at most, in milliseconds: the year 4199.
constexpr std::int64_t kMaxFieldMs = (std::int64_t{1} << 46U) - 1;
constexpr std::int64_t kMaxFieldSeconds = kMaxFieldMs / 2000;
// And for a key, with some room: it adds them up in 63 bits.
constexpr std::int64_t kMaxKeyMs = 9'000'000'000'000'000'000;
constexpr std::int64_t kMaxKeySeconds = kMaxKeyMs / 1000;

/// When something goes: after so many seconds, at so many milliseconds since 1970, or never.
struct End {
  enum class Kind : std::uint8_t { kNever, kSeconds, kAt };
  Kind kind = Kind::kNever;
  std::int64_t value = 0;
};

End end_of(const Cell& cell) {
  const auto value = static_cast<std::int64_t>(cell.word);
  switch (cell.type) {
    case CellType::kInt64:
      return {End::Kind::kSeconds, value};
    case CellType::kUint64:
      return {End::Kind::kSeconds, static_cast<std::int64_t>(std::min<std::uint64_t>(cell.word, INT64_MAX))};
    case CellType::kDate:
    case CellType::kTimestamp:
    case CellType::kTimestampTz:
      if (value == kInfinity) return {};
      if (value == kMinusInfinity) return {End::Kind::kAt, 0};
      return {End::Kind::kAt, cell.type == CellType::kDate ? value * kMillisPerDay : floor_div(value, 1000)};
    default:
      return {};
  }
}

/// What the column at hand says; nothing: it was not sent, and the end stays as it is.
std::optional<End> end_in(const Item& item, std::uint16_t column) {
  if (item.cells.size() <= column || is_missing(item.cells[column])) return std::nullopt;
  return end_of(item.cells[column]);
}

/// Where Redis would refuse a time, it is as near as can be.
std::string in_reach(std::int64_t value, std::int64_t most) {
  return std::to_string(std::clamp<std::int64_t>(value, 0, most));
}

void append_key_end(std::string& out, const Item& item, const End& end) {
  if (end.kind == End::Kind::kNever) return append_command(out, {"PERSIST", item.key});
  const bool at = end.kind == End::Kind::kAt;
  append_command(
      out, {at ? "PEXPIREAT" : "EXPIRE", item.key, in_reach(end.value, at ? kMaxKeyMs : kMaxKeySeconds)});
}

void append_field_end(std::string& out, const Item& item, std::string_view field, const End& end) {
  if (end.kind == End::Kind::kNever) return append_command(out, {"HPERSIST", item.key, "FIELDS", "1", field});
  const bool at = end.kind == End::Kind::kAt;
  append_command(out, {at ? "HPEXPIREAT" : "HEXPIRE", item.key,
                       in_reach(end.value, at ? kMaxFieldMs : kMaxFieldSeconds), "FIELDS", "1", field});
}

}  // namespace

void ExpiryWriter::append(std::string& out, const Item& item, bool moved, std::uint32_t& commands) const {
  std::optional<End> key;
  if (seconds_ > 0) key = End{End::Kind::kSeconds, seconds_};
  if (item.plan.expiry) key = end_in(item, *item.plan.expiry);
  if (key) {
    ++commands;
    append_key_end(out, item, *key);
  }
  for (const FieldEnd& field : item.plan.field_ends) {
    const Cell& cell = item.cells[field.field_column];
    const bool kept = cell.type == CellType::kUnchanged;
    if (!kept && !has_value(cell)) continue;  // the field is removed
    std::optional<End> end;
    if (field.column) {
      end = end_in(item, *field.column);
    } else if (!kept || moved) {
      end = End{End::Kind::kSeconds, field.seconds};
    }
    if (!end) continue;
    ++commands;
    append_field_end(out, item, field.name, *end);
  }
}

}  // namespace millrace::redis
