#include "source/postgres/copy_text.h"

#include <algorithm>

namespace millrace::postgres {
namespace {

int digit_of(char c, int base) {
  int value = -1;
  if (c >= '0' && c <= '9') value = c - '0';
  if (c >= 'a' && c <= 'f') value = c - 'a' + 10;
  if (c >= 'A' && c <= 'F') value = c - 'A' + 10;
  return value < base ? value : -1;
}

/// Reads up to `max` digits at `at` and appends the byte they name; false when there is none.
bool take_number(std::string_view text, std::size_t& at, int base, int max, std::string& out) {
  int value = 0;
  int count = 0;
  while (count < max && at < text.size() && digit_of(text[at], base) >= 0) {
    value = value * base + digit_of(text[at++], base);
    ++count;
  }
  if (count > 0) out.push_back(static_cast<char>(value & 0xFF));
  return count > 0;
}

char plain_escape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return c;
  }
}

/// Appends `text` without its backslashes; false when the last one has nothing behind it.
bool unescape(std::string_view text, std::string& out) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t slash = std::min(text.find('\\', at), text.size());
    out.append(text.substr(at, slash - at));
    if (slash == text.size()) return true;
    at = slash + 1;
    if (at == text.size()) return false;
    if (text[at] == 'x' && at + 1 < text.size() && digit_of(text[at + 1], 16) >= 0) {
      ++at;
      take_number(text, at, 16, 2, out);
    } else if (!take_number(text, at, 8, 3, out)) {
      out.push_back(plain_escape(text[at++]));
    }
  }
  return true;
}

}  // namespace

bool CopyTextReader::read(std::string_view line, std::size_t columns) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  fields_.clear();
  unescaped_.clear();
  // Unescaped text is never longer than the line, so views into `unescaped_` stay good.
  unescaped_.reserve(line.size());
  if (columns == 0) return line.empty();
  const bool escapes = line.find('\\') != std::string_view::npos;
  while (fields_.size() < columns) {
    const std::size_t tab = line.find('\t');
    const std::string_view raw = line.substr(0, tab);
    if (!escapes || raw.find('\\') == std::string_view::npos) {
      fields_.push_back({false, raw});
    } else if (raw == "\\N") {
      fields_.push_back({true, {}});
    } else {
      const std::size_t start = unescaped_.size();
      if (!unescape(raw, unescaped_)) return false;
      fields_.push_back({false, std::string_view(unescaped_).substr(start)});
    }
    if (tab == std::string_view::npos) return fields_.size() == columns;
    line.remove_prefix(tab + 1);
  }
  return false;
}

}  // namespace millrace::postgres
