#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "log/log.h"

namespace millrace {

/// A parked row and what it touches.
struct WatchedRow {
  StreamPosition place;
  std::string topic;
  std::string output;             ///< that did not take it; see Rejected
  std::string form;               ///< of its key
  std::vector<std::string> keys;  ///< none: not known
  bool whole_table = false;       ///< a TRUNCATE
};
[[nodiscard]] WatchedRow watched_row(const StreamPosition& place, std::string output,
                                     const LetterImage& image);

/// Finds out, by reading the log once, which parked rows of a sink have been overtaken: a later change of the
/// same key was applied, so that sending them again would bring old values back. One thread.
class LaterRows {
 public:
  enum class Verdict : std::uint8_t {
    kNone,   ///< no later change of its key was applied
    kLater,  ///< one was
    kNoKey,  ///< cannot be told: no key, or the table's key has changed
    kCut,    ///< cannot be told: retention has taken rows behind it
  };

  /// All outlive it.
  LaterRows(Log& log, const Clock& clock, std::string_view sink) : log_(log), clock_(clock), sink_(sink) {}

  /// Before the first `advance`.
  void watch(const WatchedRow& row);
  /// Reads on up to `end`, up to which all is applied; no longer than `until_us`. True when it is there.
  [[nodiscard]] Result<bool> advance(const LogPosition& end, std::int64_t until_us);
  /// As far as it has read.
  [[nodiscard]] Verdict verdict(const WatchedRow& row) const;

 private:
  /// The last applied change of something that parked rows touch.
  struct Mark {
    StreamPosition watched;              ///< the last of those rows
    std::optional<StreamPosition> last;  ///< behind that row no later one matters
    void watch(const StreamPosition& place) { watched = std::max(watched, place); }
    [[nodiscard]] bool is_open() const { return !last || *last <= watched; }
    [[nodiscard]] bool later_than(const StreamPosition& place) const { return last && place < *last; }
  };
  struct Topic {  // in an output
    std::unordered_map<std::string, Mark> keys;
    std::map<std::string, StreamPosition> forms;  // where last seen
    Mark truncated;
    Mark any;
    bool all = false;  // whether `any` is wanted
  };

  [[nodiscard]] Status step(StreamPosition& cursor, const StreamPosition& end);
  [[nodiscard]] Status look_at(const ReadBatch& rows, const StreamPosition& end);
  using Outputs = std::map<std::string, Topic, std::less<>>;
  [[nodiscard]] Status take(Outputs& outputs, const Batch& batch, const StreamPosition& place,
                            const std::string& form);
  [[nodiscard]] Result<bool> was_applied(const StreamPosition& place, std::string_view output);
  [[nodiscard]] Result<std::uint64_t> first_sequence(StreamId stream);

  Log& log_;
  const Clock& clock_;
  const std::string sink_;
  std::map<StreamId, StreamPosition> cursors_;
  std::map<StreamId, StreamPosition> cuts_;  // rows between cursor and here were gone
  std::map<std::string, Outputs, std::less<>> topics_;
};

}  // namespace millrace
