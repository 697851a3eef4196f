// SPDX-License-Identifier: Apache-2.0
// A real model, here and through an agent, run by run.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench_statistics.hpp"

namespace vac::cli {

struct ModelBenchOptions {
  std::string address;              ///< of an agent; "local:": nothing to compare with
  std::string model;                ///< a file
  std::vector<std::int64_t> shape;  ///< of the input; empty: as the model says
  int pairs = 40;
};

struct ModelReport {
  double local_ms = 0;  ///< medians
  double local_p99_ms = 0;
  /// Through the agent, and how much more that is, from the pairs' differences.
  struct Remote {
    double remote_ms = 0, remote_p99_ms = 0;
    MedianRange overhead_percent;
  };
  std::optional<Remote> remote;
};

/// A shape as "1,3,224,224"; each side is at least 1.
Result<std::vector<std::int64_t>> parse_shape(std::string_view text);

/// Runs in pairs, one here and one there, each as often first as second. The input is a fixed
/// pattern of f32.
Result<ModelReport> measure_model(const ModelBenchOptions& options);

}  // namespace vac::cli
