#include "base/text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>

namespace millrace {
namespace {

template <typename T>
std::optional<T> parse_number(std::string_view text, int base) {
  T value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// Edits (insert, delete, replace, swap of neighbours) from `a` to `b`: optimal string alignment distance.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string with_one_digit(double value, const char* unit) {
  std::array<char, 48> out{};
  const int size = std::snprintf(out.data(), out.size(), "%.1f %s", value, unit);
  return {out.data(), static_cast<std::size_t>(size)};
}

unsigned byte_at(std::string_view text, std::size_t i) { return static_cast<unsigned char>(text[i]); }

/// Size of the well-formed sequence of two to four bytes at `at`, or 0. Table 3-7 of the Unicode standard.
std::size_t sequence_size(std::string_view text, std::size_t at) {
  const unsigned lead = byte_at(text, at);
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || size > text.size() - at) return 0;
  const unsigned second = byte_at(text, at + 1);
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (second < low || second > high) return 0;
  for (std::size_t i = 2; i < size; ++i) {
    if ((byte_at(text, at + i) & 0xC0U) != 0x80U) return 0;
  }
  return size;
}

}  // namespace

std::optional<std::int64_t> parse_int64(std::string_view text) {
  return parse_number<std::int64_t>(text, 10);
}
std::optional<std::uint64_t> parse_uint64(std::string_view text) {
  return parse_number<std::uint64_t>(text, 10);
}
std::optional<std::uint64_t> parse_hex(std::string_view text) {
  return parse_number<std::uint64_t>(text, 16);
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  std::string item;
  const auto finish = [&] {
    std::size_t first = 0;
    while (first < item.size() && is_space(item[first])) ++first;
    std::size_t end = item.size();
    while (end > first && is_space(item[end - 1])) --end;
    if (end > first) items.push_back(item.substr(first, end - first));
    item.clear();
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') {
      item.push_back(',');
      ++i;
    } else if (text[i] == ',') {
      finish();
    } else {
      item.push_back(text[i]);
    }
  }
  finish();
  return items;
}

std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known) {
  // Longer names come from a mistake of another kind, and the distance costs their product.
  constexpr std::size_t kLongest = 256;
  if (name.empty() || name.size() > kLongest) return {};
  std::size_t least = std::max<std::size_t>(2, name.size() / 3) + 1;
  std::string_view nearest;
  for (const std::string_view candidate : known) {
    if (candidate.size() > kLongest) continue;
    const std::size_t edits = edit_distance(name, candidate);
    // A candidate whose every letter would change resembles nothing.
    if (edits < least && edits < std::max(name.size(), candidate.size())) {
      least = edits;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string human_bytes(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024.0;
  std::size_t unit = 0;
  // 1023.95 and more would print as 1024.0.
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024.0;
    ++unit;
  }
  return with_one_digit(value, kUnits[unit]);
}

std::string human_duration(std::int64_t duration_us) {
  if (duration_us < 0) {
    // The most negative number has no positive twin.
    return "-" + human_duration(duration_us == INT64_MIN ? INT64_MAX : -duration_us);
  }
  if (duration_us < 1000) return std::to_string(duration_us) + " us";
  if (duration_us < 999'950) return with_one_digit(static_cast<double>(duration_us) / 1e3, "ms");
  if (duration_us < 59'950'000) return with_one_digit(static_cast<double>(duration_us) / 1e6, "s");
  const std::int64_t seconds = duration_us / 1'000'000 + (duration_us % 1'000'000 >= 500'000 ? 1 : 0);
  if (seconds < 3600) return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
  const std::int64_t minutes = seconds / 60;
  return std::to_string(minutes / 60) + " h " + std::to_string(minutes % 60) + " min";
}

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    // Eight bytes of ASCII at a time: nearly all text is.
    std::uint64_t word = 0;
    while (text.size() - at >= sizeof(word)) {
      std::memcpy(&word, text.data() + at, sizeof(word));
      if ((word & 0x8080'8080'8080'8080U) != 0) break;
      at += sizeof(word);
    }
    while (at < text.size() && byte_at(text, at) < 0x80) ++at;
    if (at == text.size()) break;
    const std::size_t size = sequence_size(text, at);
    if (size == 0) return false;
    at += size;
  }
  return true;
}

}  // namespace millrace
