#include "base/checksum.h"

#include <xxhash.h>

#include "base/check.h"

namespace millrace {

std::uint64_t checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

struct Checksum::State {
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> hash{XXH3_createState()};
};

Checksum::Checksum() : state_(std::make_unique<State>()) {
  MILLRACE_CHECK(state_->hash != nullptr);
  XXH3_64bits_reset(state_->hash.get());
}
Checksum::~Checksum() = default;

void Checksum::add(std::string_view bytes) {
  XXH3_64bits_update(state_->hash.get(), bytes.data(), bytes.size());
}
std::uint64_t Checksum::value() const { return XXH3_64bits_digest(state_->hash.get()); }

}  // namespace millrace
