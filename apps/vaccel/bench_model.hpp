// SPDX-License-Identifier: Apache-2.0
// A real model, here and through an agent, run by run.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bench_control.hpp"
#include "bench_stages.hpp"
#include "bench_statistics.hpp"

namespace vac::cli {

struct ModelBenchOptions {
  std::string address;              ///< of an agent; "local:": nothing to compare with
  std::string model;                ///< a file
  std::vector<std::int64_t> shape;  ///< of the input; empty: as the model says
  int pairs = 200;
  /// Of inputs; of outputs too for a region. Absent: a tensor of the session's, new outputs.
  std::optional<PayloadMemory> memory;
};

struct ModelReport {
  double local_ms = 0;  ///< medians
  double local_p99_ms = 0;
  /// Through the agent, and how much more that is, from the pairs' differences.
  struct Remote {
    double remote_ms = 0, remote_p99_ms = 0, remote_mean_ms = 0;
    MedianRange overhead_percent;
    std::optional<Stages> stages;
    std::optional<CopiesACall> copies;
  };
  std::optional<Remote> remote;
};

/// A shape as "1,3,224,224"; each side is at least 1.
Result<std::vector<std::int64_t>> parse_shape(std::string_view text);

/// Runs in pairs, one here and one there, each as often first as second, with the same kind of
/// memory. The input is a fixed pattern of f32. VAC_ENOTSUP: a region is wanted of an agent that
/// shares no memory.
Result<ModelReport> measure_model(const ModelBenchOptions& options);

}  // namespace vac::cli
