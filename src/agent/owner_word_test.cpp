// SPDX-License-Identifier: Apache-2.0
#include "agent/owner_word.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace vac::agent {
namespace {

TEST(OwnerWord, GivesAConnectionToOneTakerAtATime) {
  OwnerWord word;
  const std::uint64_t generation = word.open();
  EXPECT_TRUE(word.take(generation));
  EXPECT_FALSE(word.take(generation));
}

TEST(OwnerWord, TellsTheOwnerOfAnEventThatCameMeanwhile) {
  OwnerWord word;
  const std::uint64_t generation = word.open();
  ASSERT_TRUE(word.take(generation));
  EXPECT_FALSE(word.take(generation));
  EXPECT_FALSE(word.give_back());
  EXPECT_TRUE(word.give_back());
  EXPECT_TRUE(word.take(generation));
}

TEST(OwnerWord, RefusesEventsOfAnEarlierConnection) {
  OwnerWord word;
  const std::uint64_t first = word.open();
  ASSERT_TRUE(word.take(first));
  word.close();
  EXPECT_FALSE(word.take(first));
  const std::uint64_t second = word.open();
  EXPECT_NE(first, second);
  EXPECT_FALSE(word.take(first));
  EXPECT_TRUE(word.take(second));
}

/// What an edge-triggered event promises: whoever adds work and takes, or finds an owner, can be
/// sure that somebody looks at the work afterwards.
TEST(OwnerWord, LosesNoEventBetweenThreads) {
  constexpr int kEvents = 20'000;
  OwnerWord word;
  const std::uint64_t generation = word.open();
  std::atomic<int> added{0};
  int seen = 0;  // the owner's
  const auto raise_event = [&] {
    added.fetch_add(1);
    if (!word.take(generation)) return;
    do {
      seen = added.load();
    } while (!word.give_back());
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEvents; ++n) raise_event();
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(word.take(generation));
  EXPECT_EQ(seen, 4 * kEvents);
}

}  // namespace
}  // namespace vac::agent
