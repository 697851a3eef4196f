// SPDX-License-Identifier: Apache-2.0
// An agent and its clients in this process, at work: calls of all kinds from several threads, with
// time-outs, interruptions, closed sessions and cut connections in between. Everything that is
// random follows from the seed.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>

namespace vac::simulation {

struct TrafficPlan {
  std::string address;
  std::uint64_t seed = 1;
  unsigned threads = 3;
  unsigned sessions = 2;  ///< at most 8
  unsigned calls = 100;   ///< of all threads
  bool cuts = true;       ///< connections are cut at random
};

/// How calls ended.
struct TrafficReport {
  std::uint64_t calls = 0, succeeded = 0, timed_out = 0, cancelled = 0, interrupted = 0, lost = 0,
                cuts = 0;
  std::uint64_t plugin_cancels = 0;

  TrafficReport& operator+=(const TrafficReport& other);
};
/// "calls=100 succeeded=90 ..."
std::ostream& operator<<(std::ostream& out, const TrafficReport& report);

/// Runs it to its end and checks, as GoogleTest failures: each call ends once and comes to the
/// plugin at most once, one that succeeds exactly once and with its own result; nothing is left in
/// the agent when all clients have gone.
TrafficReport run_traffic(const TrafficPlan& plan);

}  // namespace vac::simulation
