#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Where reading a topic begins.
struct StartPoint {
  enum class Kind : std::uint8_t { kEarliest, kLatest, kOffset, kTime };
  Kind kind = Kind::kEarliest;
  std::uint64_t offset = 0;  ///< of a kOffset
  std::int64_t wall_us = 0;  ///< of a kTime
};

/// `earliest`, `latest`, an offset, an RFC 3339 time (`2026-05-01T12:00:00Z`, `...+02:00`) or milliseconds
/// since 1970. Numbers from 10^12 on (a day in 2001) are times: no topic has that many rows.
[[nodiscard]] Result<StartPoint> parse_start_point(std::string_view text);

}  // namespace millrace
