#include <cstddef>
#include <cstdint>
#include <string_view>

#include "source/postgres/copy_text.h"

/// The first byte is the number of columns, the rest the line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  millrace::postgres::CopyTextReader reader;
  const std::string_view line(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (!reader.read(line, data[0] % 8)) return 0;
  if (reader.fields().size() != data[0] % 8) __builtin_trap();
  std::size_t bytes = 0;
  for (const auto& field : reader.fields()) {
    for (const char c : field.text) bytes += static_cast<unsigned char>(c) != 0 ? 1 : 0;
  }
  if (bytes > line.size()) __builtin_trap();
  return 0;
}
