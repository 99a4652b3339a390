#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "base/check.h"

namespace millrace {

/// Appends big-endian numbers and byte strings to `out`: what ByteReader reads. Does not own `out`.
class ByteWriter {
 public:
  explicit ByteWriter(std::string& out) : out_(out) {}

  void u8(std::uint8_t value) { big_endian(value); }
  void u16(std::uint16_t value) { big_endian(value); }
  void u32(std::uint32_t value) { big_endian(value); }
  void u64(std::uint64_t value) { big_endian(value); }
  void i32(std::int32_t value) { u32(static_cast<std::uint32_t>(value)); }
  void i64(std::int64_t value) { u64(static_cast<std::uint64_t>(value)); }
  void bytes(std::string_view bytes) { out_.append(bytes); }
  /// Size as u32, then the bytes.
  void sized(std::string_view bytes) {
    MILLRACE_CHECK(bytes.size() <= std::numeric_limits<std::uint32_t>::max());
    u32(static_cast<std::uint32_t>(bytes.size()));
    out_.append(bytes);
  }

 private:
  template <typename T>
  void big_endian(T value) {
    for (std::size_t i = sizeof(T); i > 0; --i) {
      out_.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8U * (i - 1))));
    }
  }

  std::string& out_;
};

}  // namespace millrace
