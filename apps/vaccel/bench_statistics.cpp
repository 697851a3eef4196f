// SPDX-License-Identifier: Apache-2.0
#include "bench_statistics.hpp"

#include <algorithm>
#include <cmath>

namespace vac::cli {

double quantile(std::span<const double> samples, double part) {
  if (samples.empty()) return 0;
  std::vector<double> sorted(samples.begin(), samples.end());
  const double last = static_cast<double>(sorted.size() - 1);
  const double place = part * last;
  const auto below = static_cast<std::size_t>(place);
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(sorted.begin(), at, sorted.end());
  const double rest = place - static_cast<double>(below);
  if (rest == 0) return *at;
  return *at + rest * (*std::min_element(at + 1, sorted.end()) - *at);
}

MedianRange median_range(std::span<const double> samples) {
  if (samples.size() < kFewestForRange) return {median(samples), std::nullopt};
  std::vector<double> sorted(samples.begin(), samples.end());
  std::sort(sorted.begin(), sorted.end());
  const double n = static_cast<double>(sorted.size());
  // The number of samples below the true median is binomial(n, 1/2): 1.96 of its deviations to
  // either side, and the half by which a whole number is less than the normal distribution's.
  const auto low = static_cast<std::size_t>(std::floor((n - 1) / 2 - 0.98 * std::sqrt(n)));
  return {median(samples), MedianRange::Range{sorted[low], sorted[sorted.size() - 1 - low]}};
}

Block median_block(std::span<const Block> blocks) {
  const auto of = [blocks](double Block::* figure) {
    std::vector<double> values;
    for (const Block& block : blocks) values.push_back(block.*figure);
    return median(values);
  };
  Block middle{
      of(&Block::p50_us), of(&Block::p90_us), of(&Block::p99_us), of(&Block::calls_per_s), {}};
  for (const Block& block : blocks) {
    middle.all.calls += block.all.calls;
    middle.all.us += block.all.us;
  }
  return middle;
}

}  // namespace vac::cli
