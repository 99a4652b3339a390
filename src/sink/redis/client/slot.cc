#include "sink/redis/client/slot.h"

#include <array>
#include <string>
#include <vector>

namespace millrace::redis {
namespace {

constexpr std::array<std::uint16_t, 256> make_table() {
  std::array<std::uint16_t, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) {
    auto crc = static_cast<std::uint16_t>(i << 8U);
    for (int bit = 0; bit < 8; ++bit) {
      const bool carry = (crc & 0x8000U) != 0;
      crc = static_cast<std::uint16_t>((static_cast<unsigned>(crc) << 1U) ^ (carry ? 0x1021U : 0U));
    }
    table[i] = crc;
  }
  return table;
}

constexpr std::array<std::uint16_t, 256> kTable = make_table();

std::vector<std::string> make_tags() {
  std::vector<std::string> tags(kSlots);
  std::size_t missing = kSlots;
  for (std::uint32_t number = 0; missing > 0; ++number) {
    std::string text = std::to_string(number);
    std::string& tag = tags[crc16(text) % kSlots];
    if (!tag.empty()) continue;
    tag = std::move(text);
    --missing;
  }
  return tags;
}

}  // namespace

std::uint16_t crc16(std::string_view bytes) {
  std::uint16_t crc = 0;
  for (const char c : bytes) {
    const auto at = static_cast<std::uint8_t>((crc >> 8U) ^ static_cast<std::uint8_t>(c));
    crc = static_cast<std::uint16_t>((crc << 8U) ^ kTable[at]);
  }
  return crc;
}

std::uint16_t slot_of(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  return static_cast<std::uint16_t>(crc16(key) % kSlots);
}

std::string_view slot_tag(std::uint16_t slot) {
  static const std::vector<std::string> tags = make_tags();
  return tags[slot];
}

}  // namespace millrace::redis
