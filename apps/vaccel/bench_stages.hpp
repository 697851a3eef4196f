// SPDX-License-Identifier: Apache-2.0
// Where the time of a remote call goes, from what the agent counts.
#pragma once

#include <vac/vac.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "bench_statistics.hpp"

namespace vac::cli {

/// What an agent has counted so far. A value; what the agent does not tell is absent.
struct AgentCounts {
  /// Sums over the session's calls that succeeded; `agent_ns` is all of a call's time there.
  struct Times {
    std::uint64_t calls = 0, queue_ns = 0, plugin_ns = 0, agent_ns = 0;
  };
  /// Out of shared memory and into it, of all its clients.
  struct Copies {
    std::uint64_t inputs = 0, results = 0;
  };
  std::optional<Times> times;
  std::optional<Copies> copies;
  bool shares_memory = false;  ///< with this session
};

/// From what a session's describe() gives.
AgentCounts parse_counts(std::string_view description);
Result<AgentCounts> read_counts(const Session& session);

/// For a region where `AgentCounts::shares_memory` is false.
Error no_shared_memory();

/// Means of a call in microseconds. The four stages add up to the round trip.
struct Stages {
  double round_trip_us = 0;
  double queue_us = 0;   ///< waits in the agent
  double plugin_us = 0;  ///< in the plugin
  double agent_us = 0;   ///< in the rest of the agent, which receives, copies and answers
  double wire_us = 0;    ///< all else
};

/// Of the calls between two counts, which the client timed. Absent where the agent does not tell,
/// or has not counted exactly these: then the connection was another one.
std::optional<Stages> stages_between(const AgentCounts& before, const AgentCounts& after,
                                     const Spent& calls);

/// Copies that the agent made for each call.
struct CopiesACall {
  double inputs = 0, results = 0;
};
/// Absent where the agent does not tell.
std::optional<CopiesACall> copies_between(const AgentCounts& before, const AgentCounts& after,
                                          std::size_t calls);

}  // namespace vac::cli
