#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::postgres {

/// What lies between us and the server.
enum class Way : std::uint8_t { kTcp, kUnixSocket };

/// Decides when to read again. Pure.
///
/// The walsender makes one small send of each message. While the reader's window is open each of them travels
/// alone, and that system time is most of what it costs the server. A reader with a small receive buffer that
/// empties it and then sleeps keeps the window shut, so that the sends join in the server's buffer: about
/// twice the rate of a reader that waits for each. Near the tail that sleep would be paid in latency, so it
/// is for catching up only: as long as each round brings more than a few transactions' worth of bytes.
///
/// A Unix socket has no window and joins nothing, and the kernel counts each small message at about three
/// times its size: with some 270 of them waiting the server stops. There a sleep must be short.
class Pace {
 public:
  static constexpr int kReceiveBuffer = 64 * 1024;
  static constexpr std::int64_t kTcpSleepUs = 5'000;
  static constexpr std::int64_t kUnixSleepUs = 150;
  /// A window this small throttles over a longer way than this.
  static constexpr std::int64_t kMaxRoundTripUs = 1'000;
  /// A round that brings this much is one of a backlog.
  static constexpr std::size_t kTcpBacklogBytes = 32 * 1024;
  static constexpr std::size_t kUnixBacklogBytes = 8 * 1024;
  /// While catching up, a read that brings less than this means that the buffer is empty.
  static constexpr std::size_t kLastRead = 2 * 1024;
  /// When a connection that brought this much runs dry, the server has most likely more: it is asked for at
  /// once, for the window opens only when the buffer is empty.
  static constexpr std::size_t kFullWindow = 32 * 1024;
  static constexpr std::int64_t kNextWindowUs = 1'000;

  explicit Pace(Way way = Way::kTcp) : way_(way) {}

  void received(std::size_t bytes) { round_bytes_ += bytes; }
  /// Nothing more is at hand. True: sleep `sleep_us()` before the next round; false: wait until something
  /// comes.
  bool end_round() {
    catching_up_ = round_bytes_ >= (way_ == Way::kTcp ? kTcpBacklogBytes : kUnixBacklogBytes);
    round_bytes_ = 0;
    return catching_up_;
  }
  [[nodiscard]] bool catching_up() const { return catching_up_; }
  [[nodiscard]] std::int64_t sleep_us() const { return way_ == Way::kTcp ? kTcpSleepUs : kUnixSleepUs; }
  /// Whether the next window's worth is worth waiting for after one that brought `bytes` has run dry.
  [[nodiscard]] bool expects_window(std::uint64_t bytes) const {
    return way_ == Way::kTcp && bytes >= kFullWindow;
  }

 private:
  Way way_;
  std::size_t round_bytes_ = 0;
  bool catching_up_ = false;
};

}  // namespace millrace::postgres
