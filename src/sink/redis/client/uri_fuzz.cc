#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "sink/redis/client/uri.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto uri = millrace::redis::parse_uri({reinterpret_cast<const char*>(data), size});
  if (uri) {
    MILLRACE_CHECK(uri->port != 0 && uri->database >= 0);
    MILLRACE_CHECK(uri->unix_path.empty() ? !uri->host.empty() : uri->unix_path.front() == '/');
  }
  return 0;
}
