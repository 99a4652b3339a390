#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "format/geometry.h"

namespace millrace {

/// What a database says is a shape: either nothing is made of it, or what a second reading makes the same of.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string made;
  if (append_wkt(made, text)) {
    std::string again;
    MILLRACE_CHECK(append_wkt(again, made));
    MILLRACE_CHECK(again == made);
  } else {
    MILLRACE_CHECK(made.empty());
  }
  std::string place;
  if (append_lon_lat(place, text)) {
    std::string again;
    MILLRACE_CHECK(append_lon_lat(again, place));
    MILLRACE_CHECK(again == place);
  }
  return 0;
}

}  // namespace millrace
