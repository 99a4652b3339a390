#pragma once

#include <cstdint>
#include <random>
#include <string_view>

namespace millrace {

/// Growing pauses between tries: 100 ms, doubled each time up to 30 s, each a random part between three
/// quarters and all of it, so that connectors cut off together do not come back together. Endless. One
/// thread.
class Backoff {
 public:
  static constexpr std::int64_t kFirstUs = 100'000;
  static constexpr std::int64_t kLongestUs = 30'000'000;

  /// The same `name` gives the same row of pauses.
  explicit Backoff(std::string_view name);

  /// The next pause.
  [[nodiscard]] std::int64_t next_us();
  /// Things move again: the next pause is the shortest.
  void reset() { pause_us_ = kFirstUs; }

 private:
  std::minstd_rand random_;
  std::int64_t pause_us_ = kFirstUs;
};

}  // namespace millrace
