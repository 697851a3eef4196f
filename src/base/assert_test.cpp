// SPDX-License-Identifier: Apache-2.0
#undef VAC_ASSERTIONS
#define VAC_ASSERTIONS 1
#include "base/assert.hpp"

#include <gtest/gtest.h>

namespace vac {
namespace {

TEST(Assert, PassesWhatHolds) {
  int times = 0;
  VAC_ASSERT(++times == 1);
  EXPECT_EQ(times, 1);
}

TEST(AssertDeathTest, EndsTheProcessAndNamesTheInvariant) {
  EXPECT_DEATH(VAC_ASSERT(1 + 1 == 3), "assert_test.cpp:[0-9]+: invariant broken: 1 \\+ 1 == 3");
}

}  // namespace
}  // namespace vac
