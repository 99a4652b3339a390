#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::postgres {

/// Decides when to read again. Pure.
///
/// The walsender makes one small send of each message. While the reader's window is open each of them travels
/// alone, and that system time is most of what it costs the server. A reader with a small receive buffer that
/// empties it and then sleeps keeps the window shut, so that the sends join in the server's buffer: about
/// twice the rate of a reader that waits for each. Near the tail that sleep would be paid in latency, so it
/// is for catching up only: as long as each round brings more than a few transactions' worth of bytes.
class Pace {
 public:
  static constexpr int kReceiveBuffer = 64 * 1024;
  static constexpr std::int64_t kSleepUs = 5'000;
  /// A window this small throttles over a longer way than this.
  static constexpr std::int64_t kMaxRoundTripUs = 1'000;
  /// A round that brings this much is one of a backlog.
  static constexpr std::size_t kBacklogBytes = 32 * 1024;
  /// While catching up, a read that brings less than this means that the buffer is empty.
  static constexpr std::size_t kLastRead = 2 * 1024;
  /// When a connection that brought this much runs dry, the server has most likely more: it is asked for at
  /// once, for the window opens only when the buffer is empty.
  static constexpr std::size_t kFullWindow = 32 * 1024;
  static constexpr std::int64_t kNextWindowUs = 1'000;

  void received(std::size_t bytes) { round_bytes_ += bytes; }
  /// Nothing more is at hand. True: sleep kSleepUs before the next round; false: wait until something comes.
  bool end_round() {
    catching_up_ = round_bytes_ >= kBacklogBytes;
    round_bytes_ = 0;
    return catching_up_;
  }
  [[nodiscard]] bool catching_up() const { return catching_up_; }

 private:
  std::size_t round_bytes_ = 0;
  bool catching_up_ = false;
};

}  // namespace millrace::postgres
