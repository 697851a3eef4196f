// SPDX-License-Identifier: Apache-2.0
// The same traffic as in simulation, in real time and with real threads: for ThreadSanitizer.
#include <gtest/gtest.h>

#include <iostream>

#include "agent/agent.hpp"
#include "simulation/traffic.hpp"
#include "support/load.hpp"
#include "support/temp_directory.hpp"

namespace vac::simulation {
namespace {

TEST(Traffic, EveryCallEndsOnceWhateverHappensOverUnixSockets) {
  ASSERT_TRUE(agent::set_log_level("error"));
  const test::TempDirectory folder;
  TrafficPlan plan;
  plan.address = "unix://" + (folder / "agent.sock").string();
  plan.threads = 8;
  plan.sessions = 3;
  plan.calls = static_cast<unsigned>(test::load_count(100'000));
  std::cout << "soak: traffic " << run_traffic(plan) << "\n";
}

}  // namespace
}  // namespace vac::simulation
