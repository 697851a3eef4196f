// SPDX-License-Identifier: Apache-2.0
#include "patience.hpp"

#include <gtest/gtest.h>

namespace vac::remote {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

vac_call call_with(std::int64_t deadline_ns, std::uint32_t flags) {
  vac_call call{};
  call.deadline_ns = deadline_ns;
  call.flags = flags;
  return call;
}

TEST(Patience, ThatEndsBeforeItsTimeTellsTheAgentTheTimeAllTheSame) {
  Patience endless(call_with(0, VAC_CALL_INTERRUPTIBLE));
  endless.interrupt();
  EXPECT_EQ(endless.stop(), Patience::Stop::interrupted);
  EXPECT_EQ(endless.left_us(), 0U);

  Patience limited(call_with(now_ns() + 60 * kSecondNs, 0));
  limited.cancel();
  EXPECT_EQ(limited.stop(), Patience::Stop::cancelled);
  EXPECT_GT(limited.left_us(), 30'000'000U);
}

TEST(Patience, GivesTheGraceFromItsEndOn) {
  Patience cancelled(call_with(now_ns() + 60 * kSecondNs, 0), kSecondNs);
  cancelled.cancel();
  EXPECT_FALSE(cancelled.grace_over());
  EXPECT_LE(cancelled.limit_ns(), now_ns() + kSecondNs);

  Patience expired(call_with(now_ns() - 2 * kSecondNs, 0), kSecondNs);
  EXPECT_TRUE(expired.over());
  EXPECT_EQ(expired.stop(), Patience::Stop::expired);
  EXPECT_TRUE(expired.grace_over());
}

}  // namespace
}  // namespace vac::remote
