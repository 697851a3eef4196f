// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <span>

#include "patience.hpp"

namespace vac::remote {

/// Polls until something is ready or the limit (CLOCK_MONOTONIC ns, 0 none) has come. False: a
/// signal handler has run. `revents` tell the rest.
inline bool poll_until(std::span<pollfd> descriptors, std::int64_t limit_ns) noexcept {
  constexpr std::int64_t kSecondNs = 1'000'000'000;
  timespec left{};
  if (limit_ns != 0) {
    const std::int64_t ns = std::max<std::int64_t>(limit_ns - now_ns(), 0);
    left = {static_cast<time_t>(ns / kSecondNs), static_cast<long>(ns % kSecondNs)};
  }
  const int ready =
      ::ppoll(descriptors.data(), descriptors.size(), limit_ns == 0 ? nullptr : &left, nullptr);
  return ready >= 0 || errno != EINTR;
}

}  // namespace vac::remote
