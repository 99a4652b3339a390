#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::postgres {

/// One column of a COPY line. `text` points into the line or into the reader's storage.
struct CopyField {
  bool null = false;
  std::string_view text;
};

/// Takes a line of COPY's text format apart: tabs between columns, `\N` for NULL, backslash escapes (the
/// manual's "COPY, File Formats, Text Format"). Pure; keeps its storage from line to line. One thread.
class CopyTextReader {
 public:
  /// Fields of `line`, with or without its newline; good until the next call, as long as `line` lives. False
  /// when there are not `columns` of them or an escape is cut short.
  [[nodiscard]] bool read(std::string_view line, std::size_t columns);
  [[nodiscard]] const std::vector<CopyField>& fields() const { return fields_; }

 private:
  std::vector<CopyField> fields_;
  std::string unescaped_;
};

}  // namespace millrace::postgres
