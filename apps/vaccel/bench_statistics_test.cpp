// SPDX-License-Identifier: Apache-2.0
#include "bench_statistics.hpp"

#include <gtest/gtest.h>

#include <numeric>

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
  const std::vector<Block> blocks{{1, 30, 100}, {2, 10, 300}, {3, 20, 200}};
  const Block middle = median_block(blocks);
  EXPECT_DOUBLE_EQ(middle.p50_us, 2);
  EXPECT_DOUBLE_EQ(middle.p99_us, 20);
  EXPECT_DOUBLE_EQ(middle.calls_per_s, 200);
}

}  // namespace
}  // namespace vac::cli
