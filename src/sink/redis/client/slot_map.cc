#include "sink/redis/client/slot_map.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace millrace::redis {
namespace {

constexpr std::uint16_t kNobody = UINT16_MAX;

Error not_understood() {
  return retry_error("the cluster's answer to CLUSTER SLOTS cannot be read",
                     "see CLUSTER SLOTS on a node of redis.cluster.nodes");
}

std::optional<std::uint16_t> parse_slot(std::string_view text) {
  const auto number = parse_uint64(text);
  if (!number || *number >= kSlots) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  const auto number = parse_uint64(text);
  if (!number || *number == 0 || *number > 65'535) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

std::vector<SlotRange> ranges_of(const std::vector<std::uint16_t>& owner, std::uint16_t node) {
  std::vector<SlotRange> out;
  for (std::size_t slot = 0; slot < owner.size(); ++slot) {
    if (owner[slot] != node) continue;
    const auto number = static_cast<std::uint16_t>(slot);
    if (!out.empty() && out.back().last + 1 == number) {
      out.back().last = number;
    } else {
      out.push_back({number, number});
    }
  }
  return out;
}

std::optional<HostPort> read_node(const Reply& node, const std::string& asked) {
  if (node.elements.size() < 2) return std::nullopt;
  const std::string& host = node.elements[0].text;
  const std::int64_t port = node.elements[1].as_integer();
  if (port <= 0 || port > 65'535 || host == "?") return std::nullopt;
  return HostPort{host.empty() ? asked : host, static_cast<std::uint16_t>(port)};
}

}  // namespace

std::string ranges_text(const std::vector<SlotRange>& ranges) {
  std::string out;
  for (const SlotRange& range : ranges) {
    if (!out.empty()) out += ',';
    out += std::to_string(range.first);
    if (range.last != range.first) out += '-' + std::to_string(range.last);
  }
  return out;
}

std::optional<std::vector<SlotRange>> parse_ranges(std::string_view text) {
  std::vector<SlotRange> out;
  while (!text.empty()) {
    const std::string_view one = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), one.size() + 1));
    const std::size_t dash = one.find('-');
    const auto first = parse_slot(one.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_slot(one.substr(dash + 1));
    if (!first || !last || *last < *first) return std::nullopt;
    out.push_back({*first, *last});
  }
  return out;
}

Result<SlotMap> read_slot_map(const Reply& reply, const std::string& asked) {
  if (!reply.is_array()) return not_understood();
  SlotMap out;
  out.owner.assign(kSlots, kNobody);
  for (const Reply& range : reply.elements) {
    if (range.elements.size() < 3) return not_understood();
    const std::int64_t first = range.elements[0].as_integer();
    const std::int64_t last = range.elements[1].as_integer();
    const auto at = read_node(range.elements[2], asked);
    if (first < 0 || last < first || last >= static_cast<std::int64_t>(kSlots) || !at)
      return not_understood();
    auto node = std::ranges::find(out.nodes, *at, &SlotMap::Node::at);
    if (node == out.nodes.end()) node = out.nodes.insert(node, {*at, {}});
    std::fill(out.owner.begin() + first, out.owner.begin() + last + 1,
              static_cast<std::uint16_t>(node - out.nodes.begin()));
  }
  if (const auto unserved = ranges_of(out.owner, kNobody); !unserved.empty()) {
    return retry_error("slots " + ranges_text(unserved) + " of the cluster have no master",
                       "see CLUSTER NODES; a failover may be under way");
  }
  for (std::size_t i = 0; i < out.nodes.size(); ++i)
    out.nodes[i].slots = ranges_of(out.owner, static_cast<std::uint16_t>(i));
  std::erase_if(out.nodes, [](const SlotMap::Node& node) { return node.slots.empty(); });
  std::ranges::sort(out.nodes, {}, [](const SlotMap::Node& node) { return node.slots.front().first; });
  for (std::size_t i = 0; i < out.nodes.size(); ++i) {
    for (const SlotRange& range : out.nodes[i].slots)
      std::fill(out.owner.begin() + range.first, out.owner.begin() + range.last + 1,
                static_cast<std::uint16_t>(i));
  }
  return out;
}

std::optional<Redirection> parse_redirection(std::string_view error) {
  const std::string_view kind = error.substr(0, error.find(' '));
  if (kind != "MOVED" && kind != "ASK") return std::nullopt;
  error.remove_prefix(std::min(error.size(), kind.size() + 1));
  const std::string_view slot_text = error.substr(0, error.find(' '));
  error.remove_prefix(std::min(error.size(), slot_text.size() + 1));
  const std::size_t colon = error.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto slot = parse_slot(slot_text);
  const auto port = parse_port(error.substr(colon + 1));
  if (!slot || !port) return std::nullopt;
  return Redirection{kind == "ASK", *slot, {std::string(error.substr(0, colon)), *port}};
}

bool has_open_slots(std::string_view nodes) {
  return nodes.find("->-") != std::string_view::npos || nodes.find("-<-") != std::string_view::npos;
}

}  // namespace millrace::redis
