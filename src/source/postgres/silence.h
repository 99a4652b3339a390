#pragma once

#include <algorithm>
#include <cstdint>

namespace millrace::postgres {

/// Decides when a stream that says nothing is taken for dead. Pure.
///
/// A line can be cut, or a machine behind a proxy freeze, without a word; so the server is asked for a reply
/// with each status. But a walsender that works through a large transaction of which it sends nothing replies
/// only each half of wal_sender_timeout (30 s, if nobody changed it), and a connection made anew would begin
/// that transaction again. What tells the two apart is the other connection to the same server: while that
/// one answers and says that the slot is still held, the stream gets minutes, and after each silence without
/// progress twice as many, so that even a server without wal_sender_timeout gets through in the end. TCP's
/// own probes find a cut line between the kernels long before.
class Silence {
 public:
  /// So many status intervals without a byte, on either connection, are enough.
  static constexpr std::int64_t kIntervals = 3;
  static constexpr std::int64_t kShortestUs = 3'000'000;
  /// What the stream alone gets: a walsender with a wal_sender_timeout of up to six minutes speaks within it.
  static constexpr std::int64_t kBusyUs = 180'000'000;
  static constexpr int kMostDoublings = 5;

  explicit Silence(std::int64_t status_interval_us)
      : limit_us_(std::max(kIntervals * status_interval_us, kShortestUs)) {}

  /// A new stream. How often the ones before it fell silent is kept.
  void restart() { heard_bytes_ = asked_us_ = answered_us_ = 0; }
  /// So many bytes have come in all, of whole messages or not.
  void heard(std::uint64_t bytes) {
    const auto count = static_cast<std::int64_t>(bytes);
    if (count != heard_bytes_) asked_us_ = 0;
    heard_bytes_ = count;
  }
  /// The server was asked for a reply.
  void asked(std::int64_t now_us) {
    if (asked_us_ == 0) asked_us_ = now_us;
  }
  /// A reply is owed: the other connection is to be asked too.
  [[nodiscard]] bool is_waiting() const { return asked_us_ != 0; }
  /// The other connection has answered, and the server still serves this stream.
  void answered(std::int64_t now_us) { answered_us_ = now_us; }

  /// How long the silence has lasted when it is enough, else 0.
  [[nodiscard]] std::int64_t enough(std::int64_t now_us) const {
    if (asked_us_ == 0) return 0;
    const std::int64_t lasted_us = now_us - asked_us_;
    if (lasted_us < limit_us_) return 0;
    const bool server_answers = answered_us_ != 0 && now_us - answered_us_ < limit_us_;
    return server_answers && lasted_us < busy_limit_us() ? 0 : lasted_us;
  }
  [[nodiscard]] std::int64_t busy_limit_us() const {
    return std::max(limit_us_, kBusyUs) << std::min(in_a_row_, kMostDoublings);
  }
  /// The stream is given up at this place of the server's log; one that gets past it starts the count anew.
  void give_up(std::uint64_t place) {
    in_a_row_ = place > place_ ? 1 : in_a_row_ + 1;
    place_ = place;
  }

 private:
  std::int64_t limit_us_;
  std::int64_t heard_bytes_ = 0;
  std::int64_t asked_us_ = 0;     // since when a reply is owed; 0: none is
  std::int64_t answered_us_ = 0;  // 0: never
  int in_a_row_ = 0;
  std::uint64_t place_ = 0;
};

}  // namespace millrace::postgres
