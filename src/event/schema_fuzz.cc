// A table schema (first byte even) or a source position (odd) from any bytes. What is read must come back the
// same when it is written and read again.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "event/position.h"
#include "event/schema.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 1) {
    const auto position = millrace::decode_position(bytes);
    if (position)
      MILLRACE_CHECK(*millrace::decode_position(millrace::encode_position(*position)) == *position);
    return 0;
  }
  const auto schema = millrace::decode_schema(bytes);
  if (!schema) return 0;
  for (const std::uint16_t key : schema->key_columns) MILLRACE_CHECK(key < schema->columns.size());
  MILLRACE_CHECK(*millrace::decode_schema(millrace::encode_schema(*schema)) == *schema);
  return 0;
}
