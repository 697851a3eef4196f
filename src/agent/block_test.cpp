// SPDX-License-Identifier: Apache-2.0
#include "agent/block.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace vac::agent {
namespace {

TEST(Block, ChargesItsTenantUntilItIsGone) {
  SlabPool pool;
  MemoryAccount account(1 << 20);
  {
    Block small = Block::get(pool, account, 100);
    ASSERT_TRUE(small);
    EXPECT_EQ(small.bytes().size(), 100U);
    EXPECT_EQ(account.used(), SlabPool::kSmallestBlock)
        << "what it takes, not what it was asked for";
    Block moved = std::move(small);
    EXPECT_FALSE(small);  // NOLINT(bugprone-use-after-move): what moving leaves
    Block large = Block::get(pool, account, 500'000);
    EXPECT_EQ(account.used(), 500'000 + SlabPool::kSmallestBlock);
    EXPECT_FALSE(Block::get(pool, account, 600'000));
    large = std::move(moved);
    EXPECT_EQ(account.used(), SlabPool::kSmallestBlock);
  }
  EXPECT_EQ(account.used(), 0U);
}

TEST(Block, OfHugeSizeIsMappedAndCostsNothingUntilWritten) {
  SlabPool pool;
  MemoryAccount account(8ULL << 30);
  Block huge = Block::get(pool, account, 3ULL << 30);
  ASSERT_TRUE(huge);
  EXPECT_EQ(pool.bytes_in_use(), 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(huge.bytes().data()) % 64, 0U);
  huge.bytes().back() = std::byte{1};
  huge.reset();
  EXPECT_EQ(account.used(), 0U);
}

TEST(MemoryAccount, NeverPassesItsLimit) {
  MemoryAccount account(10);
  EXPECT_TRUE(account.charge(10));
  EXPECT_FALSE(account.charge(1));
  EXPECT_FALSE(account.charge(UINT64_MAX));
  account.release(4);
  EXPECT_TRUE(account.charge(4));
}

}  // namespace
}  // namespace vac::agent
