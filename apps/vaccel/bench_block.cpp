// SPDX-License-Identifier: Apache-2.0
#include "bench_block.hpp"

#include <algorithm>

namespace vac::cli {

using Clock = std::chrono::steady_clock;
using Microseconds = std::chrono::duration<double, std::micro>;

Result<Block> BlockRunner::run(Subject& subject, std::size_t calls,
                               std::optional<std::size_t> warm_up_calls) {
  const std::size_t warm_up = warm_up_calls.value_or(std::max<std::size_t>(3, calls / 20));
  const Clock::time_point first = Clock::now();
  for (std::size_t i = 0; i < warm_up; ++i) VAC_CHECK(subject.call());
  const std::span<double> samples(samples_us_.data(), calls);
  const Clock::time_point start = Clock::now();
  Clock::time_point before = start;
  for (double& sample : samples) {
    VAC_CHECK(subject.call());
    const Clock::time_point after = Clock::now();
    sample = Microseconds(after - before).count();
    before = after;
  }
  const double seconds = std::chrono::duration<double>(before - start).count();
  return Block{quantile(samples, 0.5), quantile(samples, 0.9), quantile(samples, 0.99),
               static_cast<double>(calls) / seconds,
               Spent{warm_up + calls, Microseconds(before - first).count()}};
}

Result<std::size_t> calls_in(Subject& subject, std::chrono::duration<double> time,
                             std::size_t most) {
  constexpr std::size_t kLeast = 20;
  std::vector<double> samples_us;
  for (std::size_t i = 0; i < kLeast; ++i) {
    const Clock::time_point start = Clock::now();
    VAC_CHECK(subject.call());
    samples_us.push_back(Microseconds(Clock::now() - start).count());
  }
  const double calls = Microseconds(time).count() / median(samples_us);
  return std::clamp(static_cast<std::size_t>(std::min(calls, 1e9)), kLeast, most);
}

}  // namespace vac::cli
