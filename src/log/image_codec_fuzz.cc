#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "log/image_codec.h"

// Bytes off a disk may be anything. What unpacks is packed again and must come back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(data, data + size);
  const auto image = millrace::unpack_image(input);
  const std::string_view part = image ? std::string_view(*image) : std::string_view(input);
  std::string packed;
  millrace::pack_image({&part, 1}, packed);
  const auto again = millrace::unpack_image(packed);
  if (!again || *again != part) __builtin_trap();
  return 0;
}
