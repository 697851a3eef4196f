// SPDX-License-Identifier: Apache-2.0
// Many no-ops at once through an agent: from several connections, or several under way on one.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <optional>
#include <string>

#include "bench_stages.hpp"
#include "bench_statistics.hpp"

namespace vac::cli {

struct LoadOptions {
  std::string address;  ///< of an agent
  std::size_t bytes = 64;
  std::size_t connections = 1;  ///< each with a thread of its own
  std::size_t depth = 1;        ///< calls under way on each; 1: blocking calls
  int blocks = 21;              ///< of each kind
  double seconds = 4;           ///< all of them together, about
};

struct LoadReport {
  Block product, control;  ///< medians of their blocks
  MedianRange
      rate_ratio;         ///< of neighbouring blocks: the product's calls a second to the control's
  MedianRange p99_ratio;  ///< of their p99
  std::optional<Stages> stages;
  std::string note;  ///< why cores were not chosen; empty: they were
};

/// With a depth of 1 the control is raw: as many connections of a process of its own, a thread
/// each; both sides of product and control may use the same two cores. With more it is blocking
/// calls over as many connections of the same agent; client and agent have a core each.
Result<LoadReport> measure_load(const LoadOptions& options);

}  // namespace vac::cli
