#include "log/image_codec.h"

#include <lz4.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "base/byte_reader.h"

namespace millrace {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kMaxParts = 255;
constexpr std::size_t kHeadBytes = 8;       // of a part: its size, its size on disk
constexpr std::size_t kWorthPacking = 128;  // below, LZ4 gains nothing

void put_u32(char* at, std::size_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    *at++ = static_cast<char>(value >> static_cast<unsigned>(shift));
}

Error malformed(const char* what) { return stop_error(std::string("not a packed batch image: ") + what); }

struct Part {
  std::size_t size = 0;
  std::string_view stored;
};

}  // namespace

std::size_t image_bytes(std::span<const std::string_view> parts) {
  std::size_t bytes = 0;
  for (const std::string_view part : parts) bytes += part.size();
  return bytes;
}

void pack_image(std::span<const std::string_view> parts, std::string& out) {
  MILLRACE_CHECK(parts.size() <= kMaxParts);
  MILLRACE_CHECK(image_bytes(parts) <= kMaxImageBytes);
  std::size_t bound = 2;
  for (const std::string_view part : parts) {
    bound += kHeadBytes + static_cast<std::size_t>(LZ4_compressBound(static_cast<int>(part.size())));
  }
  if (out.size() < bound) out.resize(bound);
  char* at = out.data();
  *at++ = static_cast<char>(kVersion);
  *at++ = static_cast<char>(parts.size());
  for (const std::string_view part : parts) {
    char* const head = at;
    at += kHeadBytes;
    const int size = static_cast<int>(part.size());
    const int room = LZ4_compressBound(size);
    int stored = 0;
    if (part.size() >= kWorthPacking) {
      stored = LZ4_compress_default(part.data(), at, static_cast<int>(part.size()), room);
    }
    if (stored <= 0 || stored >= size) {
      if (!part.empty()) std::memcpy(at, part.data(), part.size());
      stored = size;
    }
    put_u32(head, part.size());
    put_u32(head + 4, static_cast<std::size_t>(stored));
    at += stored;
  }
  out.resize(static_cast<std::size_t>(at - out.data()));
}

Result<std::string> unpack_image(std::string_view packed) {
  ByteReader in(packed);
  if (in.u8() != kVersion) return malformed("unknown version");
  const std::size_t count = in.u8();
  std::vector<Part> parts;
  std::size_t total = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Part part;
    part.size = in.u32();
    part.stored = in.bytes(in.u32());
    // LZ4 makes no more than 255 bytes of one.
    if (!in.ok() || part.stored.size() > part.size || part.size / 256 > part.stored.size())
      return malformed("sizes");
    total += part.size;
    if (total > kMaxImageBytes) return malformed("too large");
    parts.push_back(part);
  }
  if (!in.ok() || in.left() != 0) return malformed("length");
  std::string image(total, '\0');
  char* at = image.data();
  for (const Part& part : parts) {
    if (part.stored.size() == part.size) {
      if (part.size > 0) std::memcpy(at, part.stored.data(), part.size);
    } else {
      const int got = LZ4_decompress_safe(part.stored.data(), at, static_cast<int>(part.stored.size()),
                                          static_cast<int>(part.size));
      if (got < 0 || static_cast<std::size_t>(got) != part.size) return malformed("damaged bytes");
    }
    at += part.size;
  }
  return image;
}

}  // namespace millrace
