#include "format/time_parse.h"

#include <charconv>
#include <limits>

namespace millrace {
namespace {

constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;
constexpr std::int64_t kMaxYear = 1'000'000;  // PostgreSQL ends at 294276; keeps the arithmetic in bounds

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

/// Between `least` and `most` digits.
std::optional<std::int64_t> take_digits(std::string_view& text, std::size_t least, std::size_t most) {
  std::size_t size = 0;
  std::int64_t value = 0;
  while (size < text.size() && size < most && is_digit(text[size])) value = value * 10 + (text[size++] - '0');
  if (size < least) return std::nullopt;
  text.remove_prefix(size);
  return value;
}

/// `.123` in microseconds; none: 0.
std::optional<std::int64_t> take_fraction(std::string_view& text) {
  if (!take(text, '.')) return 0;
  const std::size_t before = text.size();
  auto value = take_digits(text, 1, 6);
  if (!value) return std::nullopt;
  for (std::size_t digits = before - text.size(); digits < 6; ++digits) *value *= 10;
  return value;
}

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil.
std::int64_t days_of(std::int64_t year, std::int64_t month, std::int64_t day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719'468;
}

std::int64_t days_in(std::int64_t year, std::int64_t month) {
  if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

std::optional<std::int64_t> take_date(std::string_view& text) {
  const bool negative = take(text, '-');
  if (!negative) take(text, '+');
  auto year = take_digits(text, 4, 7);
  if (!year || *year > kMaxYear || !take(text, '-')) return std::nullopt;
  if (negative) *year = -*year;
  const auto month = take_digits(text, 2, 2);
  if (!month || *month < 1 || *month > 12 || !take(text, '-')) return std::nullopt;
  const auto day = take_digits(text, 2, 2);
  if (!day || *day < 1 || *day > days_in(*year, *month)) return std::nullopt;
  return days_of(*year, *month, *day);
}

std::optional<std::int64_t> take_time(std::string_view& text) {
  const auto hours = take_digits(text, 2, 2);
  if (!hours || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2, 2);
  if (!minutes || *minutes > 59 || !take(text, ':')) return std::nullopt;
  const auto seconds = take_digits(text, 2, 2);
  if (!seconds || *seconds > 59) return std::nullopt;
  const auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  const std::int64_t micros = ((*hours * 60 + *minutes) * 60 + *seconds) * kMicrosPerSecond + *fraction;
  return micros <= kMicrosPerDay ? std::optional(micros) : std::nullopt;
}

std::optional<std::int32_t> take_zone(std::string_view& text) {
  const bool west = take(text, '-');
  if (!west && !take(text, '+')) return std::nullopt;
  const auto hours = take_digits(text, 2, 2);
  if (!hours || !take(text, ':')) return std::nullopt;
  const auto minutes = take_digits(text, 2, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  std::int64_t seconds = (*hours * 60 + *minutes) * 60;
  if (take(text, ':')) {
    const auto rest = take_digits(text, 2, 2);
    if (!rest || *rest > 59) return std::nullopt;
    seconds += *rest;
  }
  return static_cast<std::int32_t>(west ? -seconds : seconds);
}

/// One part of a duration, `-12H`, `-0.5S`.
struct Part {
  std::int64_t value = 0;  ///< of seconds: microseconds
  char unit = ' ';
};

std::optional<Part> take_part(std::string_view& text) {
  const bool negative = take(text, '-');
  auto value = take_digits(text, 1, 12);
  if (!value) return std::nullopt;
  const bool has_fraction = text.starts_with('.');
  const auto fraction = take_fraction(text);
  if (!fraction || text.empty()) return std::nullopt;
  Part part{*value, text.front()};
  text.remove_prefix(1);
  if (part.unit == 'S') {
    part.value = part.value * kMicrosPerSecond + *fraction;
  } else if (has_fraction) {
    return std::nullopt;
  }
  if (negative) part.value = -part.value;
  return part;
}

bool add_scaled(std::int64_t& to, std::int64_t value, std::int64_t scale) {
  std::int64_t product = 0;
  return !__builtin_mul_overflow(value, scale, &product) && !__builtin_add_overflow(to, product, &to);
}

bool add_part(const Part& part, bool in_time, std::int64_t& micros, std::int64_t& days,
              std::int64_t& months) {
  switch (part.unit) {
    case 'Y':
      return !in_time && add_scaled(months, part.value, 12);
    case 'M':
      return in_time ? add_scaled(micros, part.value, 60 * kMicrosPerSecond)
                     : add_scaled(months, part.value, 1);
    case 'D':
      return !in_time && add_scaled(days, part.value, 1);
    case 'H':
      return in_time && add_scaled(micros, part.value, 3'600 * kMicrosPerSecond);
    case 'S':
      return in_time && add_scaled(micros, part.value, 1);
    default:
      return false;
  }
}

bool fits_int32(std::int64_t value) {
  return value >= std::numeric_limits<std::int32_t>::min() &&
         value <= std::numeric_limits<std::int32_t>::max();
}

}  // namespace

std::optional<std::int64_t> parse_date(std::string_view text) {
  const auto days = take_date(text);
  return text.empty() ? days : std::nullopt;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  const auto micros = take_time(text);
  return text.empty() ? micros : std::nullopt;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text, bool zone) {
  const auto days = take_date(text);
  if (!days || !take(text, 'T')) return std::nullopt;
  const auto micros = take_time(text);
  if (!micros || (zone && !take(text, 'Z')) || !text.empty()) return std::nullopt;
  std::int64_t out = *micros;
  return add_scaled(out, *days, kMicrosPerDay) ? std::optional(out) : std::nullopt;
}

std::optional<TimeTz> parse_time_tz(std::string_view text) {
  const auto micros = take_time(text);
  if (!micros) return std::nullopt;
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  return TimeTz{*micros, *zone};
}

std::optional<Interval> parse_interval(std::string_view text) {
  if (!take(text, 'P') || text.empty()) return std::nullopt;
  std::int64_t micros = 0;
  std::int64_t days = 0;
  std::int64_t months = 0;
  bool in_time = false;
  while (!text.empty()) {
    if (!in_time && take(text, 'T')) {
      in_time = true;
      if (text.empty()) return std::nullopt;
    }
    const auto part = take_part(text);
    if (!part || !add_part(*part, in_time, micros, days, months)) return std::nullopt;
  }
  if (!fits_int32(days) || !fits_int32(months)) return std::nullopt;
  return Interval{micros, static_cast<std::int32_t>(days), static_cast<std::int32_t>(months)};
}

}  // namespace millrace
