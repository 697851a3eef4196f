// SPDX-License-Identifier: Apache-2.0
// Answers `noop` after as many microseconds of work as its data says: what a call costs beside the
// time in the plugin can be measured, and queues and slots be filled.
#include <vac/plugin.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace {

using Clock = std::chrono::steady_clock;

/// 8 bytes, the least significant first on every machine.
vac::Result<std::uint64_t> read_microseconds(const vac::ops::Noop::Args& in) {
  const std::size_t given = in.data ? in.data->size() : 0;
  if (given != sizeof(std::uint64_t)) {
    return vac::Error{vac::Errc::invalid,
                      "data has " + std::to_string(given) +
                          " bytes, mbench takes 8: a little-endian u64, the microseconds to burn"};
  }
  std::uint64_t microseconds = 0;
  for (std::size_t i = sizeof microseconds; i-- > 0;) {
    microseconds = microseconds << 8U | std::to_integer<std::uint64_t>((*in.data)[i]);
  }
  return microseconds;
}

std::uint64_t microseconds_since(Clock::time_point start) {
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
}

vac::Status burn(vac::Call& call, const vac::ops::Noop::Args& in) {
  const Clock::time_point start = Clock::now();
  VAC_TRY(const std::uint64_t wanted, read_microseconds(in));
  while (microseconds_since(start) < wanted) {
    if (!call.cancelled()) continue;
    return vac::Error{vac::Errc::cancelled, "cancelled after " +
                                                std::to_string(microseconds_since(start)) + " of " +
                                                std::to_string(wanted) + " us"};
  }
  return {};
}

}  // namespace

VAC_PLUGIN(vac::Plugin("mbench", "1.0").handles<vac::ops::Noop>(burn));
