#pragma once

#include <cstdint>

namespace millrace {

/// The head of a batch image (see docs/image-format.md). Little-endian. The parts follow in this order, each
/// padded with zeroes to a multiple of 8 bytes: rows, transactions, schema ids, topics, topic names, cells,
/// bytes.
struct ImageHeader {
  std::uint32_t magic = 0;
  std::uint32_t version = 0;
  std::uint64_t checksum = 0;  ///< XXH3-64 of everything behind this field
  std::uint64_t image_bytes = 0;
  std::int64_t received_us = 0;
  std::uint64_t byte_count = 0;
  std::uint32_t row_count = 0;
  std::uint32_t complete_rows = 0;
  std::uint32_t cell_count = 0;
  std::uint32_t transaction_count = 0;
  std::uint32_t schema_count = 0;
  std::uint32_t topic_count = 0;
  std::uint32_t topic_name_bytes = 0;
  std::uint32_t reserved = 0;
};
static_assert(sizeof(ImageHeader) == 72);

inline constexpr std::uint32_t kImageMagic = 0x4942524dU;  // "MRBI"
inline constexpr std::uint32_t kImageVersion = 1;
inline constexpr std::uint64_t kChecksummedFrom = 16;

struct TopicRecord {
  std::uint32_t offset = 0;
  std::uint32_t size = 0;
};
static_assert(sizeof(TopicRecord) == 8);

[[nodiscard]] constexpr std::uint64_t padded(std::uint64_t size) { return (size + 7) & ~std::uint64_t{7}; }

}  // namespace millrace
