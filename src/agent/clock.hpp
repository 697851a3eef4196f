// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <time.h>

#include <cstdint>
#include <limits>

namespace vac::agent {

/// CLOCK_MONOTONIC in nanoseconds, the clock of deadlines in the plugin ABI.
inline std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// A duration as replies carry it.
inline std::uint32_t to_us(std::int64_t ns) noexcept {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  const std::int64_t us = ns < 0 ? 0 : ns / 1000;
  return static_cast<std::uint32_t>(us < kMost ? us : kMost);
}

}  // namespace vac::agent
