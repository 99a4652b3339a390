#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sink/redis/client/resp.h"
#include "sink/redis/index/index_info.h"

namespace millrace::redis {

/// Whatever a server answers to FT.INFO is read without a crash.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  IndexDefinition index;
  index.name = "i";
  index.prefixes = {"p:"};
  index.fields = {{"$.a", "a", {"TAG"}}};
  ReplyParser parser({8, 1000, 4096, 256});
  parser.feed({reinterpret_cast<const char*>(data), size});
  for (;;) {
    Reply reply;
    const auto found = parser.next(reply);
    if (!found || !*found) return 0;
    static_cast<void>(index_health(reply));
    static_cast<void>(index_differences(index, reply));
  }
}

}  // namespace millrace::redis
