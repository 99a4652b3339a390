#include "runtime/letter_warnings.h"

#include <utility>

namespace millrace {
namespace {

constexpr std::int64_t kEveryUs = 10'000'000;
constexpr std::size_t kMaxErrors = 100;
constexpr const char* kOthers = "other errors";

}  // namespace

std::vector<LetterWarnings::Warning> LetterWarnings::take(std::span<const Rejected> rejected,
                                                          std::int64_t now_us) {
  for (const Rejected& one : rejected) {
    const bool fits = known_.size() < kMaxErrors || known_.contains(one.error);
    Known& known = known_[fits ? one.error : kOthers];
    if (known.rows++ == 0) known.topic = one.topic;
  }
  return due(now_us);
}

std::vector<LetterWarnings::Warning> LetterWarnings::due(std::int64_t now_us) {
  std::vector<Warning> out;
  for (auto at = known_.begin(); at != known_.end();) {
    auto& [error, known] = *at;
    if (known.next_us > now_us) {
      ++at;
    } else if (known.rows == 0) {
      at = known_.erase(at);
    } else {
      out.push_back({error, std::move(known.topic), known.rows});
      known = {now_us + kEveryUs, 0, {}};
      ++at;
    }
  }
  return out;
}

}  // namespace millrace
