// SPDX-License-Identifier: Apache-2.0
#include "base/slab_pool.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <utility>
#include <vector>

namespace vac {
namespace {

constexpr std::size_t kKiB = std::size_t{1} << 10;
constexpr std::size_t kMiB = std::size_t{1} << 20;

long minor_faults() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt;
}

std::size_t resident_pages(const Slab& slab) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> pages((slab.capacity() + page - 1) / page);
  EXPECT_EQ(::mincore(slab.data(), slab.capacity(), pages.data()), 0);
  return static_cast<std::size_t>(
      std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return (p & 1) != 0; }));
}

TEST(SlabPool, RoundsUpToPowersOfTwo) {
  SlabPool pool(8 * kMiB);
  const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (const auto& [asked, given] :
       std::vector<std::pair<std::size_t, std::size_t>>{{0, 32 * kKiB},
                                                        {1, 32 * kKiB},
                                                        {32 * kKiB, 32 * kKiB},
                                                        {32 * kKiB + 1, 64 * kKiB},
                                                        {600'000, kMiB},
                                                        {2 * kMiB, 2 * kMiB},
                                                        {5 * kMiB, 8 * kMiB},
                                                        {8 * kMiB, 8 * kMiB}}) {
    const Slab slab = pool.get(asked);
    ASSERT_TRUE(slab) << asked;
    EXPECT_EQ(slab.size(), asked);
    EXPECT_EQ(slab.bytes().size(), asked);
    EXPECT_EQ(slab.capacity(), std::max(given, page));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slab.data()) % page, 0u);
    if (given >= 2 * kMiB) {
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(slab.data()) % (2 * kMiB), 0u);
    }
    std::memset(slab.data(), 0x5a, slab.size());
  }
}

TEST(SlabPool, RefusesMoreThanItsLargestBlock) {
  SlabPool pool(kMiB);
  EXPECT_EQ(pool.largest_block(), kMiB);
  EXPECT_FALSE(pool.get(kMiB + 1));
  EXPECT_FALSE(pool.get(UINT64_MAX));
  EXPECT_EQ(pool.bytes_in_use(), 0u);
  EXPECT_EQ(SlabPool(kMiB + 1).largest_block(), 2 * kMiB);
  EXPECT_GE(SlabPool(0).largest_block(), 32 * kKiB);
  EXPECT_GE(SlabPool(UINT64_MAX).largest_block(), std::uint64_t{1} << 30);
}

TEST(SlabPool, AnswersEmptyWhenMemoryIsShort) {
  SlabPool pool;
  const Slab held = pool.get(64 * kMiB);
  ASSERT_TRUE(held);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  const rlimit none{0, before.rlim_max};  // no new mapping for anybody
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &none), 0);
  const Slab refused = pool.get(64 * kMiB);
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_FALSE(refused);
  EXPECT_EQ(pool.bytes_in_use(), held.capacity());
  EXPECT_EQ(pool.bytes_mapped(), held.capacity());
  EXPECT_TRUE(pool.get(64 * kMiB));
}

TEST(SlabPool, CountsBlocksOnLoanAndMapped) {
  SlabPool pool;
  Slab small = pool.get(1000);
  Slab large = pool.get(3 * kMiB);
  EXPECT_EQ(pool.bytes_in_use(), small.capacity() + large.capacity());
  const std::uint64_t mapped = pool.bytes_mapped();
  EXPECT_EQ(mapped, pool.bytes_in_use());
  large.reset();
  EXPECT_FALSE(large);
  EXPECT_EQ(large.data(), nullptr);
  EXPECT_EQ(pool.bytes_in_use(), small.capacity());
  EXPECT_EQ(pool.bytes_mapped(), mapped);
  pool.trim();
  EXPECT_EQ(pool.bytes_mapped(), small.capacity());
  small.reset();
  EXPECT_EQ(pool.bytes_in_use(), 0u);
}

TEST(SlabPool, RecyclesBlocksUntilTrimmed) {
  SlabPool pool;
  const std::byte* const first = pool.get(100 * kKiB).data();
  const Slab again = pool.get(128 * kKiB);
  EXPECT_EQ(again.data(), first);
  EXPECT_EQ(pool.bytes_mapped(), 128 * kKiB);
}

TEST(SlabPool, KeepsABoundedAmountAndTheSizeInUse) {
  SlabPool pool;
  std::vector<Slab> slabs;
  for (int i = 0; i < 5; ++i) slabs.push_back(pool.get(64 * kMiB));
  EXPECT_EQ(pool.bytes_mapped(), 320 * kMiB) << "on loan, they are whoever's who has them";
  slabs.clear();
  EXPECT_EQ(pool.bytes_mapped(), SlabPool::kMostWaiting);
  const std::byte* const other = pool.get(20 * kMiB).data();
  EXPECT_LE(pool.bytes_mapped(), SlabPool::kMostWaiting);
  EXPECT_EQ(pool.get(20 * kMiB).data(), other) << "what was used last has stayed";
  pool.trim();
  EXPECT_EQ(pool.bytes_mapped(), 0U);
}

TEST(SlabPool, SlabsMoveAndReturnOnce) {
  SlabPool pool;
  Slab first = pool.get(10);
  std::byte* const data = first.data();
  Slab second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): a moved-from slab is empty
  EXPECT_EQ(second.data(), data);
  Slab third = pool.get(10);
  EXPECT_NE(third.data(), data);
  third = std::move(second);
  EXPECT_EQ(third.data(), data);
  EXPECT_EQ(pool.bytes_in_use(), third.capacity());
  Slab& same = third;
  third = std::move(same);
  EXPECT_EQ(third.data(), data);
  third = Slab();
  EXPECT_EQ(pool.bytes_in_use(), 0u);
}

TEST(SlabPool, PopulatesAsFarAsAskedAndNoFurther) {
  SlabPool pool;
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  {
    const Slab part = pool.get(513 * kKiB);
    EXPECT_EQ(part.capacity(), kMiB);
    EXPECT_EQ(resident_pages(part), (513 * kKiB + page - 1) / page);
  }
  const Slab all = pool.get(kMiB);
  EXPECT_EQ(resident_pages(all), kMiB / page);
}

TEST(SlabPool, CausesNoPageFaultOnceWarm) {
  SlabPool pool;
  long faults = 1;
  for (int run = 0; run < 3 && faults != 0; ++run) {
    long before = 0;
    for (int i = 0; i < 100; ++i) {
      if (i == 1) before = minor_faults();
      const Slab small = pool.get(20'000);
      const Slab middle = pool.get(600'000);
      const Slab large = pool.get(3 * kMiB);
      std::memset(small.data(), i, small.size());
      std::memset(middle.data(), i, middle.size());
      std::memset(large.data(), i, large.size());
    }
    faults = minor_faults() - before;
  }
  EXPECT_EQ(faults, 0);
}

TEST(SlabPool, WorksForManyThreads) {
  SlabPool pool(4 * kMiB);
  std::vector<std::thread> threads;
  threads.reserve(4);
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      std::mt19937 random(t);
      std::vector<Slab> held(8);
      for (int i = 0; i < 2000; ++i) {
        Slab& slab = held[random() % held.size()];
        if (slab) {
          // Nobody else has written where this thread left its mark.
          EXPECT_EQ(slab.bytes().front(), static_cast<std::byte>(t));
          EXPECT_EQ(slab.bytes().back(), static_cast<std::byte>(t));
        }
        slab = pool.get(1 + random() % (random() % 16 == 0 ? 4 * kMiB : 64 * kKiB));
        ASSERT_TRUE(slab);
        slab.bytes().front() = static_cast<std::byte>(t);
        slab.bytes().back() = static_cast<std::byte>(t);
        if (random() % 512 == 0) pool.trim();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(pool.bytes_in_use(), 0u);
  pool.trim();
  EXPECT_EQ(pool.bytes_mapped(), 0u);
}

TEST(SlabPool, ASlabMayDieInAnotherThread) {
  SlabPool pool;
  Slab slab = pool.get(5000);
  std::thread other([taken = std::move(slab)]() mutable { taken.reset(); });
  other.join();
  EXPECT_EQ(pool.bytes_in_use(), 0u);
}

}  // namespace
}  // namespace vac
