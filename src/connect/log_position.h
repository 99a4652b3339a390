#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace millrace {

/// A stream of the log: one source connector's changes in commit order. Given by the log, never reused.
using StreamId = std::uint32_t;

/// Up to where a reader has got in one stream: everything before row `row` of batch `sequence` is done.
struct StreamPosition {
  StreamId stream = 0;
  std::uint64_t sequence = 0;
  std::uint32_t row = 0;

  friend auto operator<=>(const StreamPosition&, const StreamPosition&) = default;
};

/// Up to where a reader has got in every stream it reads, ordered by stream. A stream that is not named has
/// not been read at all.
class LogPosition {
 public:
  [[nodiscard]] const std::vector<StreamPosition>& streams() const { return streams_; }
  /// The position in `stream`; its beginning when it is not named.
  [[nodiscard]] StreamPosition at(StreamId stream) const;
  void set(const StreamPosition& position);
  /// True when no stream of `other` is ahead of this.
  [[nodiscard]] bool covers(const LogPosition& other) const;

  /// `1:42:0,2:7:15` (stream:sequence:row), for targets that keep it beside the data.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static Result<LogPosition> parse(std::string_view text);

  friend bool operator==(const LogPosition&, const LogPosition&) = default;

 private:
  std::vector<StreamPosition> streams_;
};

}  // namespace millrace
