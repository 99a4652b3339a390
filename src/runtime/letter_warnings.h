#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "connect/sink.h"

namespace millrace {

/// Chooses which rows that were parked the log speaks of: each error at once when it is new, then now and
/// then with the number of rows since, as a wrong key template parks every row. Pure; one thread.
class LetterWarnings {
 public:
  struct Warning {
    std::string error;
    std::string topic;      ///< of the first of them
    std::int64_t rows = 0;  ///< since this error was last spoken of
  };
  [[nodiscard]] std::vector<Warning> take(std::span<const Rejected> rejected, std::int64_t now_us);
  /// Those that are due again by now.
  [[nodiscard]] std::vector<Warning> due(std::int64_t now_us);

 private:
  struct Known {
    std::int64_t next_us = 0;
    std::int64_t rows = 0;
    std::string topic;
  };
  std::map<std::string, Known> known_;  ///< by error
};

}  // namespace millrace
