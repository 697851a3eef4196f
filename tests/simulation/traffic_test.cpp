// SPDX-License-Identifier: Apache-2.0
// The same traffic as in simulation, in real time and with real threads: for ThreadSanitizer.
#include <gtest/gtest.h>

#include <cstdint>
#include <iostream>
#include <string>

#include "agent/agent.hpp"
#include "simulation/traffic.hpp"
#include "support/load.hpp"
#include "support/temp_directory.hpp"

namespace vac::simulation {
namespace {

constexpr std::uint64_t kCalls = 500'000;

void run_at(const std::string& address) {
  ASSERT_TRUE(agent::set_log_level("error"));
  TrafficPlan plan;
  plan.address = address;
  plan.threads = 8;
  plan.sessions = 3;
  plan.calls = static_cast<unsigned>(test::load_count(kCalls));
  std::cout << "soak: traffic " << run_traffic(plan) << "\n";
}

TEST(Traffic, EveryCallEndsOnceWhateverHappensOverUnixSockets) {
  const test::TempDirectory folder;
  run_at("unix://" + (folder / "agent.sock").string());
}

TEST(Traffic, EveryCallEndsOnceWhateverHappensWithinTheProcess) { run_at("inproc://traffic"); }

}  // namespace
}  // namespace vac::simulation
