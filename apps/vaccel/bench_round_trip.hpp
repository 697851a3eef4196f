// SPDX-License-Identifier: Apache-2.0
// A no-op through an agent, block by block beside the raw control.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <optional>
#include <string>

#include "bench_control.hpp"
#include "bench_stages.hpp"
#include "bench_statistics.hpp"

namespace vac::cli {

struct RoundTripOptions {
  std::string address;  ///< of an agent
  std::size_t bytes = 64;
  int blocks = 21;     ///< of each kind and placement
  double seconds = 4;  ///< all of them together, about
  PayloadMemory memory = PayloadMemory::message;
};

/// Product and control where both sides of both run in the same places.
struct Comparison {
  Block product, control;  ///< medians of their blocks
  double ratio_p50 = 0;    ///< the median of the ratios of neighbouring blocks
  std::optional<MedianRange::Range> ratio_range;
  std::optional<Stages> stages;  ///< of the product's calls
};

struct RoundTripReport {
  std::optional<Comparison> same_core, two_cores;
  std::optional<Comparison> unpinned;  ///< instead of the two, where cores cannot be chosen
  double copies_a_call = 0;            ///< of the payload, by the agent, out of shared memory
  std::string note;                    ///< why something is missing; empty: nothing is

  /// The one with the worst ratio.
  const Comparison& worst() const;
};

/// Moves client, control and the agent's threads to the cores it needs, and the agent's back when
/// it ends, however it ends.
Result<RoundTripReport> measure_round_trip(const RoundTripOptions& options);

}  // namespace vac::cli
