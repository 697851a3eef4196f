// SPDX-License-Identifier: Apache-2.0
// The whole product in one process, agent and clients, in interleavings that a seed decides.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "agent/agent.hpp"
#include "simulation/scheduler.hpp"
#include "simulation/traffic.hpp"
#include "support/load.hpp"
#include "support/random.hpp"

namespace vac::simulation {
namespace {

constexpr std::uint64_t kSeeds = 1000;

struct Simulated {
  TrafficReport report;
  std::uint64_t history = 0, steps = 0;
};

Scheduler::Weather weather_of(std::uint64_t seed) {
  test::Random random(~seed);
  Scheduler::Weather weather;
  weather.switches = random.pick({2, 8, 32, 128});
  weather.short_sends = random.pick({2, 8, 1'000'000});
  weather.interruptions = random.pick({16, 256, 1'000'000});
  weather.stalls = random.pick({128, 4096, 1'000'000});
  weather.socket_buffer_bytes = random.pick({4096, 65536, 1 << 20});
  return weather;
}

Simulated simulate(std::uint64_t seed) {
  EXPECT_TRUE(agent::set_log_level("error"));
  Scheduler scheduler(seed, weather_of(seed));
  TrafficPlan plan;
  plan.address = "inproc://simulation";
  plan.seed = seed;
  plan.threads = 2 + static_cast<unsigned>(seed % 4);
  plan.sessions = 1 + static_cast<unsigned>(seed % 3);
  plan.cuts = seed % 4 != 0;
  Simulated simulated;
  simulated.report = run_traffic(plan);
  simulated.history = scheduler.history();
  simulated.steps = scheduler.steps();
  return simulated;
}

/// VAC_SEED runs one seed alone.
std::uint64_t chosen_seed() {
  const char* const text = std::getenv("VAC_SEED");
  return text == nullptr ? 0 : std::strtoull(text, nullptr, 10);
}

TEST(Simulation, ASeedGivesTheSameRunAgain) {
  constexpr std::uint64_t kSeed = 5;
  const Simulated first = simulate(kSeed);
  const Simulated second = simulate(kSeed);
  EXPECT_EQ(first.steps, second.steps);
  EXPECT_EQ(first.history, second.history);
  EXPECT_NE(first.history, simulate(kSeed + 1).history);
}

TEST(Simulation, EveryCallEndsOnceWhateverHappens) {
  const std::uint64_t chosen = chosen_seed();
  const std::uint64_t first = chosen == 0 ? 1 : chosen;
  const std::uint64_t count = chosen == 0 ? test::load_count(kSeeds) : 1;
  TrafficReport sum;
  std::uint64_t steps = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    const Simulated simulated = simulate(seed);
    sum += simulated.report;
    steps += simulated.steps;
    ASSERT_FALSE(testing::Test::HasFailure()) << "again with VAC_SEED=" << seed;
  }
  std::cout << "soak: simulation seeds=" << count << " " << sum << " switches=" << steps << "\n";
}

}  // namespace
}  // namespace vac::simulation
