#include "base/checksum.h"

#include "base/check.h"

// The whole of the hash is in the header then, so nothing is linked and short inputs are inlined.
#define XXH_INLINE_ALL
#ifndef NDEBUG
// GCC at -Og refuses what the header forces to be inlined.
#define XXH_NO_INLINE_HINTS 1
#endif
#include <xxhash.h>

namespace millrace {

std::uint64_t checksum(std::string_view bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

struct Checksum::State {
  XXH3_state_t hash;
};

Checksum::Checksum() : state_(std::make_unique<State>()) {
  MILLRACE_CHECK(XXH3_64bits_reset(&state_->hash) == XXH_OK);
}

Checksum::~Checksum() = default;

void Checksum::add(std::string_view bytes) {
  MILLRACE_CHECK(XXH3_64bits_update(&state_->hash, bytes.data(), bytes.size()) == XXH_OK);
}

std::uint64_t Checksum::value() const { return XXH3_64bits_digest(&state_->hash); }

}  // namespace millrace
