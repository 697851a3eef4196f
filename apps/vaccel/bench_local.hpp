// SPDX-License-Identifier: Apache-2.0
// A no-op in this process: so short that the clock would be most of it, hence timed in batches.
#pragma once

#include <vac/result.hpp>

#include <cstddef>

namespace vac::cli {

struct LocalReport {
  double p50_ns = 0, p90_ns = 0, p99_ns = 0;  ///< of batches' means
  double control_p50_ns = 0;                  ///< a call through a pointer that does nothing
  double atomics_p50_ns = 0;  ///< one that enters and leaves by an atomic counter: two operations
  double ratio_atomics = 0;   ///< the median of the ratios of neighbouring batches
};

/// Uses the plugin noop where VAC_PLUGINS does not say otherwise.
Result<LocalReport> measure_local(std::size_t bytes, double seconds);

}  // namespace vac::cli
