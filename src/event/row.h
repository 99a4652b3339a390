#pragma once

#include <cstdint>
#include <span>

#include "event/cell.h"

namespace millrace {

enum class Op : std::uint8_t {
  kRead = 0,  ///< a row of a snapshot
  kInsert = 1,
  kUpdate = 2,
  kDelete = 3,
  kTruncate = 4,
  kMessage = 5,  ///< a logical message: after = {prefix, content, transactional}
  kSchema = 6,   ///< the table's schema from here on is the row's schema
  kBegin = 7,
  kEnd = 8,
};
inline constexpr std::uint8_t kOpCount = 9;

/// A row as it lies in an image. Its cells lie side by side from `first_cell` on: key, before, after,
/// headers.
struct RowRecord {
  Op op = Op::kInsert;
  std::uint8_t reserved = 0;
  std::uint16_t schema = 0;        ///< index into the batch's schemas
  std::uint16_t topic = 0;         ///< index into the batch's topics
  std::uint16_t key_count = 0;     ///< 0 for a change: its key is that of its schema
  std::uint16_t before_count = 0;  ///< 0, or one cell a column of the schema
  std::uint16_t after_count = 0;
  std::uint16_t header_count = 0;  ///< cells, two a header: name, value
  std::uint16_t reserved2 = 0;
  std::uint32_t transaction = 0;    ///< index into the batch's transactions
  std::uint32_t index = 0;          ///< within the transaction; given by the source before any transform
  std::uint64_t source_offset = 0;  ///< of this change in the source's own log (PostgreSQL: its LSN); 0: none
  std::uint32_t first_cell = 0;
  std::uint32_t reserved3 = 0;
};
static_assert(sizeof(RowRecord) == 40);

/// A row as it is read: a change (op, before, after), or a plain record (key, after) once a transform has
/// left the envelope. Views into the batch; they live as long as it does.
struct Row {
  Op op = Op::kInsert;
  std::uint16_t schema = 0;
  std::uint16_t topic = 0;
  std::uint32_t transaction = 0;
  std::uint32_t index = 0;
  std::uint64_t source_offset = 0;
  std::span<const Cell> key;
  std::span<const Cell> before;
  std::span<const Cell> after;
  std::span<const Cell> headers;
};

}  // namespace millrace
