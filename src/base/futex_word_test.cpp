// SPDX-License-Identifier: Apache-2.0
#include "base/futex_word.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <ctime>
#include <thread>
#include <vector>

namespace vac {
namespace {

std::int64_t now_ns() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

TEST(FutexWord, DoesNotSleepWhenTheValueDiffers) {
  const FutexWord word(7);
  EXPECT_EQ(word.wait(8), FutexWait::changed);
}

TEST(FutexWord, WaitEndsAtItsDeadlineAndNotBefore) {
  const FutexWord word(0);
  EXPECT_EQ(word.wait(0, now_ns() - 1), FutexWait::timed_out);
  EXPECT_EQ(word.wait(0, -5), FutexWait::timed_out);
  const std::int64_t deadline = now_ns() + 2'000'000;
  FutexWait result = FutexWait::woken;
  while (result == FutexWait::woken) result = word.wait(0, deadline);
  EXPECT_EQ(result, FutexWait::timed_out);
  EXPECT_GE(now_ns(), deadline);
}

TEST(FutexWord, TakesDeadlinesFarAway) {
  FutexWord word(0);
  std::thread waiter([&word] {
    while (word.load() == 0) word.wait(0, INT64_MAX);
  });
  word.store(1);
  word.wake_all();
  waiter.join();
  EXPECT_EQ(word.load(), 1u);
}

TEST(FutexWord, ValuesAreChangedAtomically) {
  FutexWord word(1);
  EXPECT_EQ(word.exchange(2), 1u);
  std::uint32_t expected = 1;
  EXPECT_FALSE(word.compare_exchange(expected, 3));
  EXPECT_EQ(expected, 2u);
  EXPECT_TRUE(word.compare_exchange(expected, 3));
  EXPECT_EQ(word.fetch_add(4), 3u);
  EXPECT_EQ(word.load(), 7u);
}

TEST(FutexWord, HandsOtherMemoryOverWithTheValue) {
  constexpr std::uint32_t kRounds = 2000;
  FutexWord ping(0), pong(0);
  std::uint32_t shared = 0;  // ordinary memory: TSan sees to it that the word orders it
  std::thread other([&] {
    for (std::uint32_t i = 1; i <= kRounds; ++i) {
      while (ping.load() != i) ping.wait(i - 1);
      shared += 1;
      pong.store(i);
      pong.wake_one();
    }
  });
  for (std::uint32_t i = 1; i <= kRounds; ++i) {
    shared += 1;
    ping.store(i);
    ping.wake_one();
    while (pong.load() != i) pong.wait(i - 1);
  }
  other.join();
  EXPECT_EQ(shared, 2 * kRounds);
}

TEST(FutexWord, WakesAllSleepers) {
  FutexWord word(0), arrived(0);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&word, &arrived] {
      arrived.fetch_add(1);
      arrived.wake_all();
      while (word.load() == 0) word.wait(0);
    });
  }
  for (std::uint32_t n = arrived.load(); n != 4; n = arrived.load()) arrived.wait(n);
  word.store(1);
  word.wake_all();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(word.wake_all(), 0);
}

TEST(FutexWord, TellsOfASignal) {
  struct sigaction action{};
  struct sigaction before{};
  action.sa_handler = [](int) {};  // no SA_RESTART
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);
  FutexWord word(0), seen(0);
  std::thread waiter([&] {
    while (word.wait(0) != FutexWait::interrupted) {
    }
    seen.store(1);
  });
  // The signal may come before the thread sleeps, so it is sent until it was noticed.
  while (seen.load() == 0) ::pthread_kill(waiter.native_handle(), SIGUSR1);
  waiter.join();
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

}  // namespace
}  // namespace vac
