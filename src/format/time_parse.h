#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace millrace {

/// The way back from time_text.h: the whole of `text` in the form written there, or nothing. A fraction may
/// have one to six digits. Pure.

[[nodiscard]] std::optional<std::int64_t> parse_date(std::string_view text);
[[nodiscard]] std::optional<std::int64_t> parse_time(std::string_view text);
/// With the suffix `Z` or without it, as `zone` says.
[[nodiscard]] std::optional<std::int64_t> parse_timestamp(std::string_view text, bool zone);

struct TimeTz {
  std::int64_t micros = 0;
  std::int32_t seconds_east = 0;
};
[[nodiscard]] std::optional<TimeTz> parse_time_tz(std::string_view text);

struct Interval {
  std::int64_t micros = 0;
  std::int32_t days = 0;
  std::int32_t months = 0;
};
[[nodiscard]] std::optional<Interval> parse_interval(std::string_view text);

}  // namespace millrace
