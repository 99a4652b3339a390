#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace millrace::redis {

/// Hash slots of a Redis Cluster (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec).
inline constexpr std::size_t kSlots = 16'384;

/// CRC-16/XMODEM, of which a slot is made.
[[nodiscard]] std::uint16_t crc16(std::string_view bytes);

/// The slot of a key: of what stands between its first `{` and the next `}`, unless that is nothing; else of
/// the whole key.
[[nodiscard]] std::uint16_t slot_of(std::string_view key);

/// A text of digits whose slot is `slot`; as the hash tag of a key it puts the key there.
[[nodiscard]] std::string_view slot_tag(std::uint16_t slot);

}  // namespace millrace::redis
