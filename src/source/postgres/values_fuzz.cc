#include <cstddef>
#include <cstdint>
#include <string_view>

#include "source/postgres/types.h"
#include "source/postgres/values.h"

/// The first byte chooses the type, the rest is the value's text.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  namespace pg = millrace::postgres;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  pg::ValueFormat format;
  format.kind = static_cast<pg::ValueKind>(data[0] % 17);
  format.element = static_cast<pg::ValueKind>(data[0] / 17 % 16);
  millrace::BatchBuilder out;
  pg::ValueDecoder decoder;
  const millrace::Cell cell = decoder.decode(format, text, out);
  const bool fits = cell.type == pg::cell_type(format.kind);
  // What does not fit is kept as it is, and only that is.
  if (!fits && (cell.type != millrace::CellType::kText || cell.size != text.size())) __builtin_trap();
  if (fits == (decoder.unparsed() != 0)) __builtin_trap();
  static_cast<void>(pg::constant_default(text));
  return 0;
}
