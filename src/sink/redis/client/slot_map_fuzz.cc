#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/client/slot_map.h"

namespace millrace::redis {
namespace {

void check_map(std::string_view bytes) {
  ReplyParser parser;
  parser.feed(bytes);
  Reply reply;
  const auto found = parser.next(reply);
  if (!found || !*found) return;
  const auto map = read_slot_map(reply, "h");
  if (!map) return;
  std::size_t slots = 0;
  for (std::size_t i = 0; i < map->nodes.size(); ++i) {
    for (const SlotRange& range : map->nodes[i].slots) {
      slots += static_cast<std::size_t>(range.last - range.first) + 1;
      MILLRACE_CHECK(map->owner[range.first] == i && map->owner[range.last] == i);
    }
    MILLRACE_CHECK(parse_ranges(ranges_text(map->nodes[i].slots)) == map->nodes[i].slots);
  }
  MILLRACE_CHECK(slots == kSlots);
}

}  // namespace
}  // namespace millrace::redis

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  millrace::redis::check_map(bytes);
  if (const auto to = millrace::redis::parse_redirection(bytes)) {
    MILLRACE_CHECK(to->to.port != 0 && to->slot < millrace::redis::kSlots);
  }
  static_cast<void>(millrace::redis::parse_ranges(bytes));
  return 0;
}
