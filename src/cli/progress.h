#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/views.h"

namespace millrace {

/// What `run` shows of itself: a line with the state of each connector, its rate and its lag, the snapshot as
/// a bar. Pure: time comes in. One thread.
class Progress {
 public:
  /// The line as of `now_us` (of a monotonic clock); rates are over the last two seconds or so.
  [[nodiscard]] std::string line(const std::vector<ConnectorView>& connectors, std::int64_t now_us);

  /// The same as a line for a log, or nothing when neither states nor row counts have changed since the last
  /// one.
  [[nodiscard]] std::optional<std::string> plain_line(const std::vector<ConnectorView>& connectors,
                                                      std::int64_t now_us);

 private:
  struct Seen {
    std::int64_t rows = 0;
    std::int64_t at_us = 0;
    double rate = 0;
  };
  [[nodiscard]] std::string part(const ConnectorView& one, std::int64_t now_us, bool with_bar);

  [[nodiscard]] double rate_of(const ConnectorView& one, std::int64_t now_us);

  std::map<std::string, Seen> seen_;
  std::string last_state_;
};

}  // namespace millrace
