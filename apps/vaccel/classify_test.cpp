// SPDX-License-Identifier: Apache-2.0
#include "classify.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

namespace vac::cli {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;

TEST(Classify, SoftmaxAddsUpToOneForLargeValuesToo) {
  const std::vector<float> values{1000, 1001};
  const double high = 1 / (1 + std::exp(-1.0));
  EXPECT_THAT(softmax(values), ElementsAre(DoubleNear(1 - high, 1e-12), DoubleNear(high, 1e-12)));
  EXPECT_TRUE(softmax({}).empty());
}

TEST(Classify, GivesTheHighestFirstAndEqualOnesInOrder) {
  const std::vector<double> scores{0.1, 0.4, 0.4, 0.05, 0.05};
  const auto top = highest(scores, 3);
  ASSERT_EQ(top.size(), 3U);
  EXPECT_EQ(top[0].index, 1U);
  EXPECT_EQ(top[1].index, 2U);
  EXPECT_EQ(top[2].index, 0U);
  EXPECT_EQ(highest(scores, 100).size(), 5U);
}

TEST(Classify, ReadsOneLabelALine) {
  const std::string path = testing::TempDir() + "/labels.txt";
  std::ofstream(path) << "# comment\ntench\r\n\nEgyptian cat\nlast";
  const auto labels = read_labels(path);
  ASSERT_TRUE(labels) << labels.error().message();
  EXPECT_THAT(*labels, ElementsAre("tench", "Egyptian cat", "last"));
}

}  // namespace
}  // namespace vac::cli
