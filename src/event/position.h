#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace millrace {

/// Where a source stands. Compared by the source's own spec, never guessed at by anyone else.
struct SourcePosition {
  std::uint32_t epoch =
      0;               ///< rises when the server's log starts anew (restore, move, failover); orders first
  std::string commit;  ///< last transaction that is complete in the log; empty: none yet
  std::uint64_t rows =
      0;              ///< rows already logged of the transaction after it: skipped by index when sent again
  std::string token;  ///< whatever else the source needs to go on, in its own words

  friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

[[nodiscard]] std::string encode_position(const SourcePosition& position);
[[nodiscard]] Result<SourcePosition> decode_position(std::string_view bytes);

}  // namespace millrace
