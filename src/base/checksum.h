#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace millrace {

/// XXH3, 64 bits: guards what lies on disk against decay, not against malice.
[[nodiscard]] std::uint64_t checksum(std::string_view bytes);

/// The same over pieces: the result is that of the pieces joined.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(std::string_view bytes);
  [[nodiscard]] std::uint64_t value() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace millrace
