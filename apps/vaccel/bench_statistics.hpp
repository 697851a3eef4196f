// SPDX-License-Identifier: Apache-2.0
// What a set of samples says.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace vac::cli {

/// The sample that `part` (0..1) of the samples do not exceed; 0 of no samples.
double quantile(std::span<const double> samples, double part);

inline double median(std::span<const double> samples) { return quantile(samples, 0.5); }

/// A median and the range that holds the true one with a probability of 95 %, whatever the
/// distribution (from the ranks of the sorted samples). Fewer than six samples give no such range:
/// even all of five hold it with 94 % only.
struct MedianRange {
  struct Range {
    double low = 0, high = 0;
  };
  double median = 0;
  std::optional<Range> range;
};
inline constexpr std::size_t kFewestForRange = 6;
MedianRange median_range(std::span<const double> samples);

/// Calls, and how long they took together.
struct Spent {
  std::size_t calls = 0;
  double us = 0;
};

/// One block of calls of one kind, run back to back.
struct Block {
  double p50_us = 0, p90_us = 0, p99_us = 0, calls_per_s = 0;
  Spent all;  ///< with the calls before it that do not count for the figures
};
/// The medians over blocks of each of their figures; `all` is their sum.
Block median_block(std::span<const Block> blocks);

}  // namespace vac::cli
