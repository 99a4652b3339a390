#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "sink/redis/client/resp.h"

namespace millrace::redis {

/// Fed whole or in pieces, a stream gives the same replies; limits hold.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t piece = data[0] % 16 + 1;
  const ReplyLimits limits{8, 1000, 4096, 256};
  std::size_t counts[2] = {0, 0};
  bool failed[2] = {false, false};
  for (const int pass : {0, 1}) {
    ReplyParser parser(limits);
    std::string_view rest = bytes;
    while (!rest.empty() && !failed[pass]) {
      const std::size_t part = pass == 0 ? rest.size() : std::min(piece, rest.size());
      parser.feed(rest.substr(0, part));
      rest.remove_prefix(part);
      for (;;) {
        Reply reply;
        const auto found = parser.next(reply);
        failed[pass] = !found;
        if (failed[pass] || !*found) break;
        ++counts[pass];
      }
    }
  }
  MILLRACE_CHECK(counts[0] == counts[1]);
  // A line that is too long is found earlier in pieces, never later.
  MILLRACE_CHECK(!failed[0] || failed[1]);
  return 0;
}

}  // namespace millrace::redis
