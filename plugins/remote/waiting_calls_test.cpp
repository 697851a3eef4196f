// SPDX-License-Identifier: Apache-2.0
#include "waiting_calls.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <thread>
#include <vector>

namespace vac::remote {
namespace {

std::vector<std::size_t> drain(WaitingCalls& waiting, const vac_call* first) {
  std::vector<std::size_t> order;
  while (vac_call* const call = waiting.front()) {
    order.push_back(static_cast<std::size_t>(call - first));
    waiting.pop();
  }
  return order;
}

TEST(WaitingCalls, LeaveInTheOrderInWhichTheyCame) {
  std::array<vac_call, 5> calls{};
  WaitingCalls waiting;
  EXPECT_TRUE(waiting.empty());
  for (std::size_t i = 0; i < 3; ++i) waiting.push(calls[i]);
  EXPECT_EQ(waiting.front(), &calls[0]);
  waiting.pop();
  for (std::size_t i = 3; i < 5; ++i) waiting.push(calls[i]);
  EXPECT_EQ(drain(waiting, calls.data()), (std::vector<std::size_t>{1, 2, 3, 4}));
  EXPECT_TRUE(waiting.empty());
}

TEST(WaitingCalls, SayOnceThatThereAreNewOnes) {
  std::array<vac_call, 3> calls{};
  WaitingCalls waiting;
  EXPECT_TRUE(waiting.push(calls[0]));
  EXPECT_FALSE(waiting.push(calls[1]));
  EXPECT_EQ(waiting.front(), &calls[0]);
  EXPECT_TRUE(waiting.push(calls[2]));
}

TEST(WaitingCalls, GoBackBeforeThoseThatCameMeanwhile) {
  std::array<vac_call, 5> calls{};
  WaitingCalls waiting;
  for (std::size_t i = 0; i < 4; ++i) waiting.push(calls[i]);
  WaitingCalls::List all = waiting.take_all(), kept;
  EXPECT_TRUE(waiting.empty());
  waiting.push(calls[4]);
  std::size_t index = 0;
  while (vac_call* const call = all.pop()) {
    if (index++ % 2 == 0) kept.push(*call);
  }
  waiting.put_back(kept);
  EXPECT_EQ(drain(waiting, calls.data()), (std::vector<std::size_t>{0, 2, 4}));
}

TEST(WaitingCalls, ComeFromManyThreadsAndNoneIsLost) {
  constexpr std::size_t kThreads = 4, kCalls = 5000;
  std::vector<vac_call> calls(kThreads * kCalls);
  WaitingCalls waiting;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t i = 0; i < kCalls; ++i) waiting.push(calls[thread * kCalls + i]);
    });
  }
  std::array<std::size_t, kThreads> next{};
  for (std::size_t taken = 0; taken < calls.size();) {
    for (const std::size_t call : drain(waiting, calls.data())) {
      EXPECT_EQ(call % kCalls, next[call / kCalls]++) << "those of a thread stay in order";
      ++taken;
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(waiting.empty());
}

}  // namespace
}  // namespace vac::remote
