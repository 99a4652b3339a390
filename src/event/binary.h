#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/byte_reader.h"

namespace millrace {

/// Writes what ByteReader reads: big-endian integers and strings behind their 32-bit length.
class ByteWriter {
 public:
  void u8(std::uint8_t value) { out_ += static_cast<char>(value); }
  void u32(std::uint32_t value) { big_endian(value, 4); }
  void u64(std::uint64_t value) { big_endian(value, 8); }
  void text(std::string_view value) {
    u32(static_cast<std::uint32_t>(value.size()));
    out_ += value;
  }
  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  void big_endian(std::uint64_t value, int size) {
    for (int shift = (size - 1) * 8; shift >= 0; shift -= 8)
      out_ += static_cast<char>((value >> shift) & 0xffU);
  }
  std::string out_;
};

/// A string behind its 32-bit length.
inline std::string read_text(ByteReader& reader) { return std::string(reader.bytes(reader.u32())); }

}  // namespace millrace
