// SPDX-License-Identifier: Apache-2.0
#include "base/processor.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>

namespace vac {
namespace {

cpu_set_t allowed() {
  cpu_set_t set;
  EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
  return set;
}

TEST(Processor, OfAThreadIsOneOfThoseItMayRunOn) {
  const cpu_set_t set = allowed();
  const int number = current_processor();
  ASSERT_GE(number, 0);
  EXPECT_TRUE(CPU_ISSET(number, &set));
}

TEST(Processor, IsWhereTheThreadMovedAndMayLeaveAgain) {
  const cpu_set_t before = allowed();
  for (int number = 0; number < CPU_SETSIZE; ++number) {
    if (!CPU_ISSET(number, &before)) continue;
    // The system may move it on at any time.
    bool seen = false;
    for (int i = 0; i < 1000 && !seen; ++i) {
      EXPECT_TRUE(move_to_processor(number));
      seen = current_processor() == number;
    }
    EXPECT_TRUE(seen) << number;
    const cpu_set_t after = allowed();
    EXPECT_TRUE(CPU_EQUAL(&before, &after));
  }
}

TEST(Processor, ThatTheThreadMayNotUseIsRefused) {
  EXPECT_FALSE(move_to_processor(-1));
  EXPECT_FALSE(move_to_processor(CPU_SETSIZE));
  std::thread([] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(current_processor(), &one);
    ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
    for (int number = 0; number < 16; ++number) {
      EXPECT_EQ(move_to_processor(number), CPU_ISSET(number, &one) != 0) << number;
    }
    const cpu_set_t after = allowed();
    EXPECT_TRUE(CPU_EQUAL(&one, &after));
  }).join();
}

}  // namespace
}  // namespace vac
