// SPDX-License-Identifier: Apache-2.0
// How long a load test is. ./dev soak runs the full length, ctest a fiftieth.
#pragma once

#include <cstdint>

namespace vac::test {

/// `full` times the environment variable VAC_SOAK_SCALE (1: the full length; default 0.02), at
/// least
/// 1. Throws for a value that is no number above 0.
std::uint64_t load_count(std::uint64_t full);

}  // namespace vac::test
