#pragma once

#include <cstdint>
#include <string>

#include "runtime/simulation_fakes.h"

namespace millrace::simulation {

struct Outcome {
  std::string problem;  ///< the first promise that was broken; empty: none
  std::uint64_t transactions = 0;
  std::uint64_t crashes = 0;
  std::uint64_t dead_letters = 0;
  std::uint64_t letters_done = 0;        ///< of those: sent again and taken
  std::uint64_t letters_superseded = 0;  ///< of those: overtaken
  std::uint64_t steps = 0;
};

/// Runs one pipeline of a source, the memory log and a target under the dice of `seed`: its stages step by
/// step in any order on this thread, with a hand-turned clock, errors at any call and crashes between any two
/// steps and within any write. In the end the faults cease and everything must arrive. Same seed, same run.
[[nodiscard]] Outcome run(std::uint64_t seed, Planted planted);

}  // namespace millrace::simulation
