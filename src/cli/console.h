#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Standard output and standard error. A reader of standard output that goes away (`| head`) is no failure:
/// what is written then is dropped and `reader_gone` says so. SIGPIPE must be ignored. One thread.
class Console {
 public:
  Console();

  void print(std::string_view text);
  /// `millrace: message`, and the hint on a line of its own, to standard error.
  void complain(const Error& error);
  void complain(std::string_view message);

  /// A line that stays in place and is written over by the next; only on a terminal, where it is cut to its
  /// width.
  void refresh(std::string_view line);
  /// Removes it.
  void clear_line();
  /// Empties the screen and goes to its top left; only on a terminal.
  void clear_screen();

  [[nodiscard]] bool is_terminal() const { return is_terminal_; }
  [[nodiscard]] std::size_t columns() const;
  [[nodiscard]] bool reader_gone() const { return reader_gone_; }

 private:
  bool is_terminal_;
  bool reader_gone_ = false;
};

}  // namespace millrace
