#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

/// Columns side by side, each as wide as its widest cell, two spaces between; no space at the end of a line.
class TextTable {
 public:
  struct Column {
    std::string_view title;
    bool right = false;  ///< numbers
  };
  explicit TextTable(std::vector<Column> columns);
  /// One cell a column.
  void add(std::vector<std::string> cells);
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// `1234567` -> `1,234,567`.
[[nodiscard]] std::string grouped(std::uint64_t value);
/// `[#####-----]`, `width` characters between the brackets; `share` in 0..1.
[[nodiscard]] std::string bar(double share, std::size_t width);
/// Characters as a terminal counts them: code points.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace millrace
