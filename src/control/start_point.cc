#include "control/start_point.h"

#include <chrono>
#include <limits>
#include <optional>

#include "base/text.h"

namespace millrace {
namespace {

constexpr std::uint64_t kFirstMillis = 1'000'000'000'000;

/// `size` digits in front of `text`, taken off.
std::optional<int> take_digits(std::string_view& text, std::size_t size) {
  if (text.size() < size) return std::nullopt;
  int value = 0;
  for (const char c : text.substr(0, size)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(size);
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == std::string_view::npos) return false;
  text.remove_prefix(1);
  return true;
}

/// `12:34` in minutes.
std::optional<int> take_clock(std::string_view& text) {
  const auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take(text, ":")) return std::nullopt;
  const auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  return *hours * 60 + *minutes;
}

/// `.123456` in microseconds; further digits are cut.
std::int64_t take_fraction(std::string_view& text) {
  if (!take(text, ".")) return 0;
  std::int64_t micros = 0;
  std::int64_t unit = 100'000;
  while (!text.empty() && text.front() >= '0' && text.front() <= '9') {
    micros += unit * (text.front() - '0');
    unit /= 10;
    text.remove_prefix(1);
  }
  return micros;
}

/// Minutes east of UTC.
std::optional<int> take_zone(std::string_view& text) {
  if (take(text, "Zz")) return 0;
  const bool west = text.starts_with('-');
  if (!take(text, "+-")) return std::nullopt;
  const auto minutes = take_clock(text);
  if (!minutes) return std::nullopt;
  return west ? -*minutes : *minutes;
}

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  const auto year = take_digits(text, 4);
  if (!year || !take(text, "-")) return std::nullopt;
  const auto month = take_digits(text, 2);
  if (!month || !take(text, "-")) return std::nullopt;
  const auto day = take_digits(text, 2);
  if (!day || !take(text, "Tt ")) return std::nullopt;
  const auto minutes = take_clock(text);
  if (!minutes || !take(text, ":")) return std::nullopt;
  const auto seconds = take_digits(text, 2);
  if (!seconds || *seconds > 60) return std::nullopt;
  const std::int64_t micros = take_fraction(text);
  const auto zone = take_zone(text);
  if (!zone || !text.empty()) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return ((days * 24 * 60 + *minutes - *zone) * 60 + *seconds) * 1'000'000 + micros;
}

}  // namespace

Result<StartPoint> parse_start_point(std::string_view text) {
  if (text == "earliest") return StartPoint{};
  if (text == "latest") return StartPoint{StartPoint::Kind::kLatest};
  if (const auto number = parse_uint64(text)) {
    if (*number < kFirstMillis) return StartPoint{StartPoint::Kind::kOffset, *number};
    if (*number < std::numeric_limits<std::int64_t>::max() / 1000) {
      return StartPoint{StartPoint::Kind::kTime, 0, static_cast<std::int64_t>(*number) * 1000};
    }
  }
  if (const auto wall_us = parse_rfc3339(text)) return StartPoint{StartPoint::Kind::kTime, 0, *wall_us};
  return stop_error(
      "expected earliest, latest, an offset, a time such as 2026-05-01T12:00:00Z or milliseconds since 1970");
}

}  // namespace millrace
