#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/logging.h"
#include "connect/sink.h"
#include "log/log.h"
#include "runtime/later_rows.h"
#include "runtime/letter_desk.h"

namespace millrace {

/// What a sink's thread does with its dead letters, a piece at a time between batches: finds those that are
/// meant, finds out which were overtaken, and sends the others in the order of their places. What became of a
/// letter is written once the target has it; a crash in between sends it again. One thread.
class LetterWork {
 public:
  static constexpr std::size_t kMaxLetters = 100'000;  ///< of one operation

  struct Place {
    Log& log;
    Clock& clock;
    Logger& logger;
    FailPoints& failpoints;
    LetterDesk& desk;
    std::string sink;
  };
  explicit LetterWork(Place place) : place_(std::move(place)) {}

  /// Whether there is something to do; takes the next request when there is none at hand.
  [[nodiscard]] bool active();
  /// Everything that needs no target. True when letters can be sent as soon as nothing is in flight and all
  /// up to `settled` is settled; call again when that has moved on.
  [[nodiscard]] Result<bool> prepare(const LogPosition& settled, std::int64_t until_us);
  /// Sends some, after `prepare` has said so for `settled`. An error of the sink or the log: those not yet
  /// written down are sent again by the next call.
  [[nodiscard]] Status send(Sink& sink, const LogPosition& settled, std::int64_t until_us);
  /// Rows that are parked no more since the last call.
  [[nodiscard]] std::vector<Rejected> take_closed() { return std::exchange(closed_, {}); }
  /// The sink stops.
  void stop(const std::string& why);

 private:
  enum class Phase : std::uint8_t { kNone, kFind, kDrop, kLookBehind, kSend };
  struct Item {
    std::uint64_t id = 0;
    WatchedRow row;
    bool has_row = false;
  };

  [[nodiscard]] Status find(std::int64_t until_us);
  [[nodiscard]] Status find_page();
  [[nodiscard]] Status take(const DeadLetter& letter);
  void found_all();
  [[nodiscard]] Status drop(std::int64_t until_us);
  [[nodiscard]] Result<std::optional<DeadLetter>> letter_of(const Item& item);
  [[nodiscard]] Result<LetterImage> image_of(const DeadLetter& letter);
  [[nodiscard]] std::string reason_to_hold(const Item& item, const LogPosition& settled) const;
  [[nodiscard]] Status send_one(Sink& sink, const LogPosition& settled, const Item& item, DeadLetter& letter);
  [[nodiscard]] Status send_row(Sink& sink, const LogPosition& settled, const LetterImage& image,
                                DeadLetter& letter);
  void conclude(DeadLetter& letter, LetterState state, std::string note);
  void hold(DeadLetter& letter, const std::string& why);
  [[nodiscard]] Status write_down();
  void finish();

  Place place_;
  Phase phase_ = Phase::kNone;
  LetterDesk::Job job_;
  std::uint64_t from_id_ = 0;
  std::size_t next_wanted_ = 0;  // of the ids asked for
  std::vector<Item> items_;
  std::optional<LaterRows> later_;
  std::size_t next_ = 0;               // of items_: those before it are written down
  std::vector<DeadLetter> concluded_;  // behind those, not yet written down
  std::vector<Rejected> closed_;
  LetterOperation tally_;                         // with those
  std::map<std::string, StreamPosition> failed_;  // keys, and the first letter of each that was not taken
};

}  // namespace millrace
