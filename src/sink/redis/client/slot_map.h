#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sink/redis/client/resp.h"
#include "sink/redis/client/slot.h"

namespace millrace::redis {

struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  [[nodiscard]] std::string text() const { return host + ":" + std::to_string(port); }
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

/// A range of slots, both ends in it.
struct SlotRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  friend bool operator==(const SlotRange&, const SlotRange&) = default;
};

/// `0-5460,8000`
[[nodiscard]] std::string ranges_text(const std::vector<SlotRange>& ranges);
/// Nothing when it is none.
[[nodiscard]] std::optional<std::vector<SlotRange>> parse_ranges(std::string_view text);

/// Which master of a cluster serves which slot. Every slot is served. A value.
struct SlotMap {
  struct Node {
    HostPort at;
    std::vector<SlotRange> slots;  ///< by number, one at least

    friend bool operator==(const Node&, const Node&) = default;
  };
  std::vector<Node> nodes;           ///< by their first slot
  std::vector<std::uint16_t> owner;  ///< by slot: index into `nodes`

  friend bool operator==(const SlotMap& a, const SlotMap& b) { return a.nodes == b.nodes; }
};

/// From the reply to CLUSTER SLOTS; `asked` stands for a server that does not know its own host. A retry
/// error when slots have no master, which names them.
[[nodiscard]] Result<SlotMap> read_slot_map(const Reply& reply, const std::string& asked);

/// What a server says that does not serve the key: MOVED, or ASK for this once.
struct Redirection {
  bool ask = false;
  std::uint16_t slot = 0;
  HostPort to;  ///< an empty host: the one that said it
};
[[nodiscard]] std::optional<Redirection> parse_redirection(std::string_view error);

/// Whether the reply to CLUSTER NODES shows that its server gives or takes a slot just now.
[[nodiscard]] bool has_open_slots(std::string_view nodes);

}  // namespace millrace::redis
