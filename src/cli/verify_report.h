#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "verify/verify.h"

namespace millrace {

/// What was found of one sink.
struct SinkReport {
  std::string sink;
  std::vector<TableReport> tables;
  std::uint64_t removed = 0;      ///< entries of earlier settings
  std::vector<std::string> left;  ///< such entries that stay, and why
};

/// No table failed on the way.
[[nodiscard]] bool compared_all(const std::vector<SinkReport>& reports);
/// Whether all that was compared agrees, and something was.
[[nodiscard]] bool in_step(const SinkReport& sink);
[[nodiscard]] bool in_step(const std::vector<SinkReport>& reports);
[[nodiscard]] bool compared_any(const std::vector<SinkReport>& reports);

/// For people: a line a table, and one for each difference.
[[nodiscard]] std::string verify_text(const std::vector<SinkReport>& reports);
/// `{"in_step":bool,"sinks":[{"sink","tables":[{"topic","table","rows","missing",...,"differences":[...]}],"removed","left":[]}]}`
[[nodiscard]] std::string verify_json(const std::vector<SinkReport>& reports);

}  // namespace millrace
