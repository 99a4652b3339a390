#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace millrace {

/// ISO 8601 text of dates and times in the proleptic Gregorian calendar. Years before 1 and after 9999 are
/// written with a sign and at least four digits, as ISO 8601 asks and Java prints: 44 BC is `-0043`, 12024 is
/// `+12024`. All append to `out` and are pure.

/// `2024-02-29`. Days since 1970-01-01; a count too far off for a calendar (some 27 million years) is written
/// as it is.
void append_date(std::string& out, std::int64_t days);

/// `13:45:59` or with six fraction digits when there are any microseconds. 24:00:00 stays as it is.
/// `digits`: -1 as said, or 0..6 fraction digits always.
void append_time(std::string& out, std::int64_t micros, int digits = -1);

/// `2024-02-29T13:45:59.123456` and `suffix` (`Z` or nothing). Microseconds since 1970-01-01. `digits` as
/// append_time.
void append_timestamp(std::string& out, std::int64_t micros, std::string_view suffix, int digits = -1);

/// `+05:30`, with seconds only when there are any. Seconds east of UTC.
void append_zone_offset(std::string& out, std::int32_t seconds_east);

/// ISO 8601 duration such as PostgreSQL prints with intervalstyle iso_8601: `P1Y2M3DT4H5M6.789S`, `PT0S`,
/// `P-1DT-1S`.
void append_interval(std::string& out, std::int64_t micros, std::int32_t days, std::int32_t months);

/// Remainder and quotient towards minus infinity; `by` is positive.
[[nodiscard]] constexpr std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}
[[nodiscard]] constexpr std::int64_t floor_mod(std::int64_t value, std::int64_t by) {
  const std::int64_t rest = value % by;
  return rest < 0 ? rest + by : rest;
}

}  // namespace millrace
