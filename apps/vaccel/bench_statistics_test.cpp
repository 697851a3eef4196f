// SPDX-License-Identifier: Apache-2.0
#include "bench_statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace vac::cli {
namespace {

TEST(BenchStatistics, FindsQuantilesBetweenSamples) {
  const std::vector<double> samples{4, 1, 3, 2};
  EXPECT_DOUBLE_EQ(median(samples), 2.5);
  EXPECT_DOUBLE_EQ(quantile(samples, 0), 1);
  EXPECT_DOUBLE_EQ(quantile(samples, 1), 4);
  EXPECT_DOUBLE_EQ(median(std::vector<double>{7}), 7);
  EXPECT_DOUBLE_EQ(median({}), 0);
}

TEST(BenchStatistics, RangeOfTheMedianComesFromTheRanks) {
  std::vector<double> samples(40);
  std::iota(samples.begin(), samples.end(), 1.0);
  const MedianRange range = median_range(samples);
  EXPECT_DOUBLE_EQ(range.median, 20.5);
  // The tables of the sign test give ranks 14 and 27 for 40 samples at 95 %.
  ASSERT_TRUE(range.range);
  EXPECT_DOUBLE_EQ(range.range->low, 14);
  EXPECT_DOUBLE_EQ(range.range->high, 27);
}

/// How likely `n` fair coins show fewer than `heads` heads.
double fewer_heads(int n, int heads) {
  double sum = 0;
  double ways = std::pow(0.5, n);  // of i heads, each sequence being as likely
  for (int i = 0; i < heads; ++i) {
    sum += ways;
    ways *= static_cast<double>(n - i) / (i + 1);
  }
  return sum;
}

TEST(BenchStatistics, RangeHoldsTheMedianWithItsProbabilityAtEveryNumberOfSamples) {
  for (int n = 6; n <= 200; ++n) {
    std::vector<double> ranks(static_cast<std::size_t>(n));
    std::iota(ranks.begin(), ranks.end(), 1.0);
    const auto range = median_range(ranks).range;
    ASSERT_TRUE(range) << n;
    const int low = static_cast<int>(range->low);
    const int high = static_cast<int>(range->high);
    EXPECT_EQ(low - 1, n - high);
    // Outside of it when fewer than `low` samples, or at least `high`, are below the true median.
    EXPECT_GE(fewer_heads(n, high) - fewer_heads(n, low), 0.95) << n;
    // No wider than it must be, but by one rank to each side.
    EXPECT_LT(fewer_heads(n, high - 2) - fewer_heads(n, low + 2), 0.95) << n;
  }
}

TEST(BenchStatistics, FewSamplesGiveNoRange) {
  const MedianRange five = median_range(std::vector<double>{5, 4, 3, 2, 1});
  EXPECT_DOUBLE_EQ(five.median, 3);
  EXPECT_FALSE(five.range);
  EXPECT_FALSE(median_range({}).range);
  const MedianRange six = median_range(std::vector<double>{6, 5, 4, 3, 2, 1});
  ASSERT_TRUE(six.range);
  EXPECT_DOUBLE_EQ(six.range->low, 1);
  EXPECT_DOUBLE_EQ(six.range->high, 6);
}

TEST(BenchStatistics, TakesEachFiguresMedianOverBlocks) {
  const std::vector<Block> blocks{
      {1, 25, 30, 100, {10, 50}}, {2, 9, 10, 300, {10, 60}}, {3, 19, 20, 200, {11, 70}}};
  const Block middle = median_block(blocks);
  EXPECT_DOUBLE_EQ(middle.p50_us, 2);
  EXPECT_DOUBLE_EQ(middle.p90_us, 19);
  EXPECT_DOUBLE_EQ(middle.p99_us, 20);
  EXPECT_DOUBLE_EQ(middle.calls_per_s, 200);
  EXPECT_EQ(middle.all.calls, 31U);
  EXPECT_DOUBLE_EQ(middle.all.us, 180);
}

}  // namespace
}  // namespace vac::cli
