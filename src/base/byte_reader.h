#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace {

/// Reads a byte string from front to back. Bounds live here: a read past the end gives zero or an empty view
/// and sets a failure that stays, so a parser reads a whole message and asks `ok()` once. Owns nothing.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  void fail() {
    ok_ = false;
    at_ = end_;
  }

  std::uint8_t u8() { return big_endian<std::uint8_t>(); }
  std::uint16_t u16() { return big_endian<std::uint16_t>(); }
  std::uint32_t u32() { return big_endian<std::uint32_t>(); }
  std::uint64_t u64() { return big_endian<std::uint64_t>(); }
  std::int16_t i16() { return static_cast<std::int16_t>(u16()); }
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }

  /// The next `size` bytes; they live as long as the bytes the reader was made of.
  std::string_view bytes(std::size_t size) {
    if (size > left()) {
      fail();
      return {};
    }
    std::string_view out(at_, size);
    at_ += size;
    return out;
  }

  /// Up to the next zero byte, which is skipped.
  std::string_view c_string() {
    const void* zero = left() == 0 ? nullptr : std::memchr(at_, 0, left());
    if (zero == nullptr) {
      fail();
      return {};
    }
    const auto* stop = static_cast<const char*>(zero);
    std::string_view out(at_, static_cast<std::size_t>(stop - at_));
    at_ = stop + 1;
    return out;
  }

 private:
  template <typename T>
  T big_endian() {
    if (sizeof(T) > left()) {
      fail();
      return 0;
    }
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      value = static_cast<T>((static_cast<std::uint64_t>(value) << 8U) | static_cast<unsigned char>(at_[i]));
    }
    at_ += sizeof(T);
    return value;
  }

  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace millrace
