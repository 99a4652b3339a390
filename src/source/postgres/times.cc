#include <array>
#include <limits>

#include "source/postgres/values.h"

namespace millrace::postgres {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kDayUs = 86'400 * kSecondUs;

/// Takes characters off the front. The first thing that does not fit fails it for good.
struct Scan {
  std::string_view text;
  bool ok = true;

  [[nodiscard]] bool done() const { return ok && text.empty(); }
  [[nodiscard]] char peek() const { return text.empty() ? '\0' : text.front(); }
  bool take(char c) {
    if (peek() != c) return false;
    text.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!take(c)) ok = false;
  }
  bool take(std::string_view word) {
    if (!text.starts_with(word)) return false;
    text.remove_prefix(word.size());
    return true;
  }
  /// Between `min` and `max` digits, no more than 18.
  std::int64_t digits(std::size_t min, std::size_t max) {
    std::int64_t value = 0;
    std::size_t count = 0;
    while (count < max && !text.empty() && text.front() >= '0' && text.front() <= '9') {
      value = value * 10 + (text.front() - '0');
      text.remove_prefix(1);
      ++count;
    }
    if (count < min) ok = false;
    return value;
  }
  /// A fraction of up to six digits behind a point, in millionths; 0 when there is none.
  std::int64_t fraction_us() {
    if (!take('.')) return 0;
    const std::size_t before = text.size();
    std::int64_t value = digits(1, 6);
    for (std::size_t count = before - text.size(); count < 6; ++count) value *= 10;
    return value;
  }
};

bool is_leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

bool is_date(std::int64_t year, std::int64_t month, std::int64_t day) {
  constexpr std::array<std::int64_t, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1) return false;
  return day <= kDays[static_cast<std::size_t>(month - 1)] + (month == 2 && is_leap(year) ? 1 : 0);
}

struct Civil {
  std::int64_t year = 0;
  std::int64_t month = 0;
  std::int64_t day = 0;
};

Civil scan_civil(Scan& in) {
  Civil out;
  out.year = in.digits(4, 7);
  in.expect('-');
  out.month = in.digits(2, 2);
  in.expect('-');
  out.day = in.digits(2, 2);
  return out;
}

/// Days of `civil`, the year turned round when the text ends in BC, which is looked at here.
std::optional<std::int64_t> finish_civil(Scan& in, Civil civil) {
  if (in.take(" BC")) civil.year = 1 - civil.year;
  if (!in.done() || !is_date(civil.year, civil.month, civil.day)) return std::nullopt;
  return days_from_civil(civil.year, static_cast<unsigned>(civil.month), static_cast<unsigned>(civil.day));
}

std::int64_t scan_time(Scan& in) {
  const std::int64_t hours = in.digits(2, 2);
  in.expect(':');
  const std::int64_t minutes = in.digits(2, 2);
  in.expect(':');
  const std::int64_t seconds = in.digits(2, 2);
  const std::int64_t time_us = (hours * 3600 + minutes * 60 + seconds) * kSecondUs + in.fraction_us();
  if (minutes > 59 || seconds > 60 || time_us > kDayUs) in.ok = false;
  return time_us;
}

/// `+05`, `-03:30`, `+01:02:03`: seconds east of UTC.
std::int64_t scan_zone(Scan& in) {
  const bool west = in.take('-');
  if (!west) in.expect('+');
  std::int64_t offset_s = in.digits(2, 2) * 3600;
  if (in.take(':')) offset_s += in.digits(2, 2) * 60;
  if (in.take(':')) offset_s += in.digits(2, 2);
  return west ? -offset_s : offset_s;
}

std::optional<std::int64_t> infinity(std::string_view text) {
  if (text == "infinity") return kInfinity;
  if (text == "-infinity") return kMinusInfinity;
  return std::nullopt;
}

/// A signed whole number that fits 32 bits.
std::optional<std::int32_t> scan_int32(Scan& in, bool negative) {
  const std::int64_t value = in.digits(1, 12) * (negative ? -1 : 1);
  if (!in.ok || value < std::numeric_limits<std::int32_t>::min() ||
      value > std::numeric_limits<std::int32_t>::max()) {
    return std::nullopt;
  }
  return static_cast<std::int32_t>(value);
}

bool add_int32(std::int32_t& sum, std::int64_t value) {
  std::int32_t out = 0;
  if (__builtin_add_overflow(sum, value, &out)) return false;
  sum = out;
  return true;
}

/// ` years`, ` mons`, ` days` behind a number, or the rest of a time of day whose hours are that number.
bool scan_interval_part(Scan& in, Interval& out) {
  const bool negative = in.take('-');
  if (!negative) in.take('+');
  const std::string_view start = in.text;
  const std::int64_t hours = in.digits(1, 17);
  if (!in.ok) return false;
  if (in.take(':')) {
    const std::int64_t minutes = in.digits(2, 2);
    in.expect(':');
    const std::int64_t seconds = in.digits(2, 2);
    const std::int64_t fraction_us = in.fraction_us();
    std::int64_t time_us = 0;
    if (!in.ok || minutes > 59 || seconds > 59) return false;
    const std::int64_t rest_us = (minutes * 60 + seconds) * kSecondUs + fraction_us;
    const std::int64_t sign = negative ? -1 : 1;
    return !__builtin_mul_overflow(sign * hours, 3600 * kSecondUs, &time_us) &&
           !__builtin_add_overflow(time_us, sign * rest_us, &out.time_us);
  }
  in.text = start;
  const auto number = scan_int32(in, negative);
  if (!number || !in.take(' ')) return false;
  if (in.take("years") || in.take("year")) return add_int32(out.months, std::int64_t{*number} * 12);
  if (in.take("mons") || in.take("mon")) return add_int32(out.months, *number);
  if (in.take("days") || in.take("day")) return add_int32(out.days, *number);
  return false;
}

}  // namespace

std::int64_t days_from_civil(std::int64_t year, unsigned month, unsigned day) {
  year -= month <= 2 ? 1 : 0;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (std::int64_t{month} + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

std::optional<std::int64_t> parse_date(std::string_view text) {
  if (const auto mark = infinity(text)) return mark;
  Scan in{text};
  const Civil civil = scan_civil(in);
  return in.ok ? finish_civil(in, civil) : std::nullopt;
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  Scan in{text};
  const std::int64_t time_us = scan_time(in);
  return in.done() ? std::optional(time_us) : std::nullopt;
}

std::optional<TimeTz> parse_timetz(std::string_view text) {
  Scan in{text};
  TimeTz out;
  out.time_us = scan_time(in);
  out.offset_s = static_cast<std::int32_t>(scan_zone(in));
  return in.done() ? std::optional(out) : std::nullopt;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text, bool with_zone) {
  if (const auto mark = infinity(text)) return mark;
  Scan in{text};
  const Civil civil = scan_civil(in);
  in.expect(' ');
  std::int64_t time_us = scan_time(in);
  if (with_zone) time_us -= scan_zone(in) * kSecondUs;
  if (!in.ok) return std::nullopt;
  const auto days = finish_civil(in, civil);
  std::int64_t out = 0;
  // The server's range goes a little past what microseconds since 1970 can hold (294247-01-10).
  if (!days || __builtin_mul_overflow(*days, kDayUs, &out) || __builtin_add_overflow(out, time_us, &out) ||
      out == kInfinity || out == kMinusInfinity) {
    return std::nullopt;
  }
  return out;
}

std::optional<Interval> parse_interval(std::string_view text) {
  Scan in{text};
  Interval out;
  // Years, months, days and a time of day: four parts at most.
  for (int part = 0; part < 4; ++part) {
    if (!scan_interval_part(in, out)) return std::nullopt;
    if (in.done()) return out;
    in.expect(' ');
  }
  return std::nullopt;
}

}  // namespace millrace::postgres
