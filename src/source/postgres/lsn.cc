#include "source/postgres/lsn.h"

#include <array>

#include "base/text.h"

namespace millrace::postgres {
namespace {

constexpr std::size_t kKeyDigits = 16;

std::string hex(std::uint64_t value, std::size_t min_digits) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::array<char, kKeyDigits> digits{};
  std::size_t at = digits.size();
  do {
    digits[--at] = kDigits[value & 0xFU];
    value >>= 4U;
  } while (value != 0 || digits.size() - at < min_digits);
  return {digits.data() + at, digits.size() - at};
}

}  // namespace

std::string lsn_text(Lsn lsn) { return hex(lsn >> 32U, 1) + "/" + hex(lsn & 0xFFFFFFFFU, 1); }

std::optional<Lsn> parse_lsn(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos || slash == 0 || slash > 8 || text.size() - slash - 1 > 8)
    return std::nullopt;
  const auto high = parse_hex(text.substr(0, slash));
  const auto low = parse_hex(text.substr(slash + 1));
  if (!high || !low) return std::nullopt;
  return (*high << 32U) | *low;
}

std::string lsn_key(Lsn lsn) { return hex(lsn, kKeyDigits); }

std::optional<Lsn> parse_lsn_key(std::string_view text) {
  if (text.size() != kKeyDigits) return std::nullopt;
  return parse_hex(text);
}

}  // namespace millrace::postgres
