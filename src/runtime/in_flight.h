#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

#include "connect/sink.h"

namespace millrace {

/// What a sink was handed and has not settled, in order. One thread.
class InFlight {
 public:
  struct Entry {
    LogPosition after;
    std::size_t bytes = 0;
    std::uint64_t rows = 0;
    std::int64_t received_us = 0;
    std::uint64_t transactions = 0;
  };

  void add(const ReadBatch& rows);
  /// Takes the oldest entry if `durable` covers it, or if it has no rows and nothing before it is open.
  [[nodiscard]] std::optional<Entry> take(const LogPosition& durable);
  void clear();

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::deque<Entry> entries_;
  std::size_t bytes_ = 0;
};

/// Rows of `rows` that lie before `applied` in its stream go into one range marked already_applied, the
/// others into one that is not; either may be missing, and the order is kept.
struct SplitRows {
  std::optional<ReadBatch> applied;
  std::optional<ReadBatch> fresh;
};
[[nodiscard]] SplitRows split_applied(ReadBatch rows, const LogPosition& applied);

}  // namespace millrace
