#include "cli/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace millrace {
namespace {

constexpr std::size_t kDefaultColumns = 100;

/// False when nobody reads any more.
bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// The first `columns` characters, counting code points.
std::string_view cut(std::string_view text, std::size_t columns) {
  std::size_t seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U) continue;
    if (seen++ == columns) return text.substr(0, i);
  }
  return text;
}

}  // namespace

Console::Console() : is_terminal_(::isatty(STDOUT_FILENO) == 1) {}

void Console::print(std::string_view text) {
  if (!reader_gone_ && !write_all(STDOUT_FILENO, text)) reader_gone_ = true;
}

void Console::complain(const Error& error) {
  complain(error.message);
  if (!error.hint.empty()) write_all(STDERR_FILENO, "  hint: " + error.hint + "\n");
}

void Console::complain(std::string_view message) {
  write_all(STDERR_FILENO, "millrace: " + std::string(message) + "\n");
}

void Console::refresh(std::string_view line) {
  if (!is_terminal_) return;
  // The cursor stays in front, so that a log line in between begins where it should.
  print("\r" + std::string(cut(line, columns() - 1)) + "\x1b[K\r");
}

void Console::clear_line() {
  if (is_terminal_) print("\r\x1b[K");
}

void Console::clear_screen() {
  if (is_terminal_) print("\x1b[H\x1b[2J");
}

std::size_t Console::columns() const {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return kDefaultColumns;
  return size.ws_col;
}

}  // namespace millrace
