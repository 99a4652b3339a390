#include "sink/redis/slot_record.h"

#include <algorithm>
#include <utility>

#include "sink/redis/position.h"

namespace millrace::redis {

std::string record_key(std::string_view sink, std::uint16_t slot) {
  return position_key(sink) + ":{" + std::string(slot_tag(slot)) + "}";
}

std::vector<std::string> record_command(const std::string& key, const std::string& log_id,
                                        const SlotRecord& record) {
  std::vector<std::string> out = position_command(key, log_id, record.position);
  out.insert(out.end(), {"begun", record.begun.text(), "slots", ranges_text(record.slots)});
  return out;
}

Result<std::optional<SlotRecord>> read_record(const Reply& reply, const std::string& key,
                                              std::string_view log_id) {
  const auto text = [&reply](std::string_view name) {
    const Reply* field = reply.find(name);
    return field == nullptr ? std::string() : field->text;
  };
  if (reply.elements.empty() || text("log") != log_id) return std::optional<SlotRecord>();
  SlotRecord out;
  auto position = LogPosition::parse(text("position"));
  auto begun = LogPosition::parse(text("begun"));
  auto slots = parse_ranges(text("slots"));
  if (!position || !begun || !slots) {
    return stop_error("the position kept in Redis under " + key + " cannot be read",
                      "look at it with HGETALL; once it is removed, everything is written again");
  }
  out.position = std::move(*position);
  out.begun = std::move(*begun);
  out.slots = std::move(*slots);
  return std::optional(std::move(out));
}

SlotPositions combine(std::span<const SlotRecord> records) {
  SlotPositions out;
  std::vector<std::vector<std::size_t>> by_slot(kSlots);
  for (std::size_t i = 0; i < records.size(); ++i) {
    for (const SlotRange& range : records[i].slots) {
      for (std::size_t slot = range.first; slot <= range.last; ++slot) by_slot[slot].push_back(i);
    }
    out.begun = furthest(out.begun, furthest(records[i].begun, records[i].position));
  }
  const auto is_empty = [](const auto& claims) { return claims.empty(); };
  out.complete = std::ranges::none_of(by_slot, is_empty);
  if (!out.complete) return out;
  std::optional<LogPosition> start;
  for (std::size_t slot = 0; slot < kSlots; ++slot) {
    if (slot > 0 && by_slot[slot] == by_slot[slot - 1]) continue;
    LogPosition here;
    for (const std::size_t i : by_slot[slot]) here = furthest(here, records[i].position);
    start = start ? least(*start, here) : here;
  }
  out.start = std::move(*start);
  return out;
}

}  // namespace millrace::redis
