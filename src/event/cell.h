#pragma once

#include <cstdint>
#include <limits>

namespace millrace {

/// What a cell holds. The numbers are part of the image format: append only.
enum class CellType : std::uint8_t {
  kNull = 0,
  kUnchanged =
      1,         ///< the row has a value here that the change left alone and the source did not send (TOAST)
  kAbsent = 2,   ///< the source did not send this column at all (a key-only before image)
  kBool = 3,     ///< word: 0 or 1
  kInt64 = 4,    ///< word: two's complement
  kUint64 = 5,   ///< word
  kFloat64 = 6,  ///< word: IEEE 754 bits; NaN and infinities allowed
  kDecimal = 7,  ///< bytes: exact decimal text, `-12.50`, or `NaN`, `Infinity`, `-Infinity`
  kText = 8,     ///< bytes: UTF-8 as the source sent it
  kBytes = 9,    ///< bytes: raw
  kBits = 10,    ///< bytes: a text of 0 and 1, leftmost bit first
  kDate = 11,    ///< word: int64 days since 1970-01-01 (proleptic Gregorian); see kMinusInfinity, kInfinity
  kTime = 12,    ///< word: int64 microseconds since midnight, 86400000000 (24:00) allowed
  kTimestamp = 13,    ///< word: int64 microseconds since 1970-01-01 without zone; infinities as for kDate
  kTimestampTz = 14,  ///< word: int64 microseconds since 1970-01-01 UTC; infinities as for kDate
  kTimeTz =
      15,  ///< bytes (16): int64 microseconds since midnight local time, int32 seconds east of UTC, int32 0
  kInterval = 16,  ///< bytes (16): int64 microseconds, int32 days, int32 months
  kUuid = 17,      ///< bytes (16): network order
  kJson = 18,      ///< bytes: JSON text as the source sent it
  kArray = 19,     ///< cells: `size` elements from cell index `word` on; an element may be an array again
  kStruct = 20,    ///< cells: as kArray, one cell a field
};
inline constexpr std::uint8_t kCellTypeCount = 21;

/// An array may lie in an array, down to this depth; the outermost counts as one. (PostgreSQL has at most 6
/// dimensions.)
inline constexpr std::uint8_t kMaxCellDepth = 8;

/// Marks of an infinite kDate, kTimestamp or kTimestampTz.
inline constexpr std::int64_t kInfinity = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t kMinusInfinity = std::numeric_limits<std::int64_t>::min();

/// One value, or where its bytes are: never a pointer, so the cell in memory is the cell on disk. What `word`
/// means follows from the type: the value's own bits, an offset into the batch's bytes (`size` bytes), or an
/// index into the batch's cells (`size` cells). Little-endian on disk; both supported machines are.
struct Cell {
  CellType type = CellType::kNull;
  std::uint8_t reserved[3] = {0, 0, 0};
  std::uint32_t size = 0;
  std::uint64_t word = 0;
};
static_assert(sizeof(Cell) == 16);

enum class CellStorage : std::uint8_t { kWord, kBytes, kCells };

[[nodiscard]] constexpr CellStorage storage_of(CellType type) {
  switch (type) {
    case CellType::kDecimal:
    case CellType::kText:
    case CellType::kBytes:
    case CellType::kBits:
    case CellType::kTimeTz:
    case CellType::kInterval:
    case CellType::kUuid:
    case CellType::kJson:
      return CellStorage::kBytes;
    case CellType::kArray:
    case CellType::kStruct:
      return CellStorage::kCells;
    default:
      return CellStorage::kWord;
  }
}

/// True when a value is there: neither NULL nor one of the two ways of not having been sent.
[[nodiscard]] constexpr bool has_value(const Cell& cell) { return cell.type > CellType::kAbsent; }
/// True when the source did not send the value, so it is not known from this row.
[[nodiscard]] constexpr bool is_missing(const Cell& cell) {
  return cell.type == CellType::kUnchanged || cell.type == CellType::kAbsent;
}

}  // namespace millrace
