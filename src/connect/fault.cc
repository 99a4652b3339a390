#include "connect/fault.h"

#include <fmt/format.h>

#include <utility>

namespace millrace {

std::string printable(std::string_view text, std::size_t limit) {
  const bool cut = text.size() > limit;
  if (cut) {
    text = text.substr(0, limit);
    // Not in the middle of a character.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0U) == 0x80U) text.remove_suffix(1);
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xC0U) text.remove_suffix(1);
  }
  std::string out;
  out.reserve(text.size() + 3);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_space = c == '\n' || c == '\r' || c == '\t';
    out += is_space ? ' ' : byte < 0x20 || byte == 0x7F ? '?' : c;
  }
  if (cut) out += "...";
  return out;
}

void Faults::add(const Origin& origin, std::string_view key, std::string_view text) {
  std::string line;
  if (!origin.file.empty()) {
    line =
        origin.line > 0 ? fmt::format("{}:{}: ", origin.file, origin.line) : fmt::format("{}: ", origin.file);
  }
  if (!key.empty()) line += fmt::format("{}: ", printable(key));
  line += text;
  lines_.emplace(origin.line, std::move(line));
}

Error Faults::error() const {
  std::string message;
  for (const auto& [line, text] : lines_) {
    if (!message.empty()) message += '\n';
    message += text;
  }
  return stop_error(std::move(message));
}

}  // namespace millrace
