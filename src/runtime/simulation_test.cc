#include "runtime/simulation.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/text.h"

namespace millrace::simulation {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 400;
#else
constexpr std::uint64_t kSeeds = 4000;
#endif

std::string replay(std::uint64_t seed, const std::string& problem) {
  return "seed " + std::to_string(seed) + ": " + problem +
         "\nreplay with MILLRACE_SEED=" + std::to_string(seed);
}

/// MILLRACE_SEED=<n> runs that one seed; MILLRACE_SEEDS=<n> that many.
TEST(Simulation, KeepsItsPromisesUnderFaults) {
  if (const char* one = std::getenv("MILLRACE_SEED"); one != nullptr) {
    const std::uint64_t seed = parse_uint64(one).value_or(0);
    EXPECT_EQ(run(seed, Planted::kNone).problem, "") << replay(seed, "");
    return;
  }
  const char* many = std::getenv("MILLRACE_SEEDS");
  const std::uint64_t seeds = many != nullptr ? parse_uint64(many).value_or(kSeeds) : kSeeds;
  Outcome all;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const Outcome outcome = run(seed, Planted::kNone);
    ASSERT_EQ(outcome.problem, "") << replay(seed, outcome.problem);
    all.transactions += outcome.transactions;
    all.crashes += outcome.crashes;
    all.dead_letters += outcome.dead_letters;
    all.letters_done += outcome.letters_done;
    all.letters_superseded += outcome.letters_superseded;
    all.steps += outcome.steps;
  }
  // A run in which nothing happened proves nothing.
  EXPECT_GT(all.transactions, seeds);
  EXPECT_GT(all.crashes, seeds);
  EXPECT_GT(all.dead_letters, seeds / 10);
  EXPECT_GT(all.letters_done, seeds / 40);
  EXPECT_GT(all.letters_superseded, seeds / 40);
  RecordProperty("steps", std::to_string(all.steps));
  RecordProperty("crashes", std::to_string(all.crashes));
}

TEST(Simulation, SameSeedSameRun) {
  const Outcome first = run(7, Planted::kNone);
  const Outcome second = run(7, Planted::kNone);
  EXPECT_EQ(first.steps, second.steps);
  EXPECT_EQ(first.crashes, second.crashes);
  EXPECT_EQ(first.dead_letters, second.dead_letters);
}

/// The proof that the simulator can see: each planted fault is found within a few seeds.
class PlantedFault : public testing::TestWithParam<Planted> {};

TEST_P(PlantedFault, IsFound) {
  constexpr std::uint64_t kWithin = 200;
  for (std::uint64_t seed = 1; seed <= kWithin; ++seed) {
    if (const Outcome outcome = run(seed, GetParam()); !outcome.problem.empty()) {
      RecordProperty("seed", std::to_string(seed));
      RecordProperty("problem", outcome.problem);
      return;
    }
  }
  FAIL() << "not found within " << kWithin << " seeds";
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedFault,
                         testing::Values(Planted::kLogAnswersEarly, Planted::kSourceSendsTwice,
                                         Planted::kTargetAnswersEarly, Planted::kRejectsForgotten,
                                         Planted::kAppendTriedAgain, Planted::kLettersOverNewer));

}  // namespace
}  // namespace millrace::simulation
