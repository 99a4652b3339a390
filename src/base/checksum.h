#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace {

/// XXH3, 64 bits, seed 0: finds damage, not forgery. Part of formats on disk.
[[nodiscard]] std::uint64_t checksum(std::string_view bytes);

/// The same over pieces, in order. One thread.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(std::string_view bytes);
  /// Of all that was added so far.
  [[nodiscard]] std::uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
