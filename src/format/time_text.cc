#include "format/time_text.h"

#include <charconv>

namespace millrace {
namespace {

constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;
constexpr std::int64_t kMaxCalendarDays = 10'000'000'000;  // beyond it the arithmetic below could overflow

void append_number(std::string& out, std::int64_t value) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  out.append(text, end);
}

/// `value` with at least `width` digits; not negative, below 10^width or longer than it.
void append_padded(std::string& out, std::int64_t value, int width) {
  char text[24];
  int at = sizeof(text);
  do {
    text[--at] = static_cast<char>('0' + value % 10);
    value /= 10;
    --width;
  } while (value > 0);
  while (width-- > 0) text[--at] = '0';
  out.append(text + at, sizeof(text) - static_cast<std::size_t>(at));
}

void append_year(std::string& out, std::int64_t year) {
  if (year < 0) {
    out += '-';
    year = -year;
  } else if (year > 9999) {
    out += '+';
  }
  append_padded(out, year, 4);
}

void append_fraction(std::string& out, std::int64_t micros, int digits) {
  if (digits < 0) digits = micros == 0 ? 0 : 6;
  if (digits == 0) return;
  for (int i = 6; i > digits; --i) micros /= 10;
  out += '.';
  append_padded(out, micros, digits);
}

/// `6.789`: seconds with the fraction's trailing zeros cut off. `sign` is written before them.
void append_seconds(std::string& out, std::uint64_t micros, bool negative) {
  if (negative) out += '-';
  append_number(out, static_cast<std::int64_t>(micros / 1'000'000U));
  std::uint64_t fraction = micros % 1'000'000U;
  if (fraction == 0) return;
  int digits = 6;
  while (fraction % 10 == 0) {
    fraction /= 10;
    --digits;
  }
  out += '.';
  append_padded(out, static_cast<std::int64_t>(fraction), digits);
}

}  // namespace

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days.
void append_date(std::string& out, std::int64_t days) {
  if (days > kMaxCalendarDays || days < -kMaxCalendarDays) return append_number(out, days);
  const std::int64_t shifted = days + 719'468;
  const std::int64_t era = floor_div(shifted, 146'097);
  const std::int64_t day_of_era = shifted - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1'460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month_index = (5 * day_of_year + 2) / 153;  // from March
  const std::int64_t month = month_index < 10 ? month_index + 3 : month_index - 9;
  append_year(out, year_of_era + era * 400 + (month <= 2 ? 1 : 0));
  out += '-';
  append_padded(out, month, 2);
  out += '-';
  append_padded(out, day_of_year - (153 * month_index + 2) / 5 + 1, 2);
}

void append_time(std::string& out, std::int64_t micros, int digits) {
  if (micros < 0) {  // no source gives one; written so that it can be told from a time
    out += '-';
    micros = micros == INT64_MIN ? INT64_MAX : -micros;
  }
  const std::int64_t seconds = micros / kMicrosPerSecond;
  append_padded(out, seconds / 3'600, 2);
  out += ':';
  append_padded(out, seconds / 60 % 60, 2);
  out += ':';
  append_padded(out, seconds % 60, 2);
  append_fraction(out, micros % kMicrosPerSecond, digits);
}

void append_timestamp(std::string& out, std::int64_t micros, std::string_view suffix, int digits) {
  append_date(out, floor_div(micros, kMicrosPerDay));
  out += 'T';
  append_time(out, floor_mod(micros, kMicrosPerDay), digits);
  out += suffix;
}

void append_zone_offset(std::string& out, std::int32_t seconds_east) {
  out += seconds_east < 0 ? '-' : '+';
  const std::int64_t seconds = seconds_east < 0 ? -std::int64_t{seconds_east} : std::int64_t{seconds_east};
  append_padded(out, seconds / 3'600, 2);
  out += ':';
  append_padded(out, seconds / 60 % 60, 2);
  if (seconds % 60 == 0) return;
  out += ':';
  append_padded(out, seconds % 60, 2);
}

void append_interval(std::string& out, std::int64_t micros, std::int32_t days, std::int32_t months) {
  const auto part = [&out](std::int64_t value, char unit) {
    if (value == 0) return;
    append_number(out, value);
    out += unit;
  };
  out += 'P';
  part(months / 12, 'Y');
  part(months % 12, 'M');
  part(days, 'D');
  if (micros == 0) {
    if (months == 0 && days == 0) out += "T0S";
    return;
  }
  out += 'T';
  part(micros / (3'600 * kMicrosPerSecond), 'H');
  part(micros / (60 * kMicrosPerSecond) % 60, 'M');
  const std::int64_t rest = micros % (60 * kMicrosPerSecond);
  if (rest == 0) return;
  append_seconds(out, static_cast<std::uint64_t>(rest < 0 ? -rest : rest), rest < 0);
  out += 'S';
}

}  // namespace millrace
