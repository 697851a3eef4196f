// SPDX-License-Identifier: Apache-2.0
#include "agent/follower.hpp"

#include <gtest/gtest.h>

namespace vac::agent {
namespace {

/// How many receives it takes.
int receives_until_move(Follower& follower, int there, int here) {
  for (int i = 1; i <= 1000; ++i) {
    if (follower.is_to_move(there, here)) return i;
  }
  return 0;
}

TEST(Follower, StaysWhereTheClientIs) {
  Follower follower;
  EXPECT_EQ(receives_until_move(follower, 1, 1), 0);
}

TEST(Follower, MovesSoonAndThenSeldom) {
  Follower follower;
  EXPECT_EQ(receives_until_move(follower, 1, 0), Follower::kFirst);
  EXPECT_EQ(receives_until_move(follower, 1, 0), Follower::kLater);
  EXPECT_EQ(receives_until_move(follower, 0, 1), Follower::kLater);
}

TEST(Follower, LetsTheSystemMoveItForAMoment) {
  Follower follower;
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(follower.is_to_move(1, i % Follower::kFirst == 0 ? 1 : 0));
  }
}

}  // namespace
}  // namespace vac::agent
