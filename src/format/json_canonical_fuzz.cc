#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "format/json_canonical.h"

namespace millrace {

/// Whatever comes in: the canonical form is JSON, and its own canonical form.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto once = canonical_json(text);
  if (!once) {
    MILLRACE_CHECK(!json_members(text));
    return 0;
  }
  MILLRACE_CHECK(canonical_json(*once) == once);
  MILLRACE_CHECK(same_canonical(*once, *once));
  return 0;
}

}  // namespace millrace
