// SPDX-License-Identifier: Apache-2.0
#include "buddy.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "support/random.hpp"

namespace vac::remote {
namespace {

constexpr std::uint64_t kPage = Buddy::kSmallestBlock;
using test::Random;

/// What Buddy promises, in the slowest words: a sorted set of free blocks for each size.
class Model {
 public:
  explicit Model(std::uint64_t bytes) : size_(bytes) { free_[bytes].insert(0); }

  std::optional<std::uint64_t> allocate(std::uint64_t bytes) {
    std::uint64_t wanted = kPage;
    while (wanted < bytes && wanted <= size_) wanted *= 2;
    for (std::uint64_t size = wanted; size <= size_; size *= 2) {
      if (free_[size].empty()) continue;
      const std::uint64_t offset = *free_[size].begin();
      free_[size].erase(free_[size].begin());
      while (size > wanted) {
        size /= 2;
        free_[size].insert(offset + size);
      }
      taken_[offset] = wanted;
      return offset;
    }
    return std::nullopt;
  }

  void release(std::uint64_t offset) {
    std::uint64_t size = taken_.at(offset);
    taken_.erase(offset);
    for (; size < size_ && free_[size].erase(offset ^ size) == 1; size *= 2) offset &= ~size;
    free_[size].insert(offset);
  }

  /// The start and size of the taken block around an offset.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> find(std::uint64_t offset) const {
    auto block = taken_.upper_bound(offset);
    if (block == taken_.begin()) return std::nullopt;
    --block;
    if (offset - block->first >= block->second) return std::nullopt;
    return *block;
  }

  const std::map<std::uint64_t, std::uint64_t>& taken() const { return taken_; }

 private:
  std::uint64_t size_;
  std::map<std::uint64_t, std::set<std::uint64_t>> free_;
  std::map<std::uint64_t, std::uint64_t> taken_;
};

/// Mostly small, now and then anything up to a little more than there is.
std::uint64_t random_bytes(Random& random, std::uint64_t size) {
  const std::uint64_t most = (size + kPage) >> random.below(8);
  return random.below(most + 1);
}

void expect_same_block(const Buddy& buddy, const Model& model, std::uint64_t offset) {
  const auto block = buddy.find_block(offset);
  const auto expected = model.find(offset);
  ASSERT_EQ(block.has_value(), expected.has_value()) << offset;
  if (!block) return;
  EXPECT_EQ(block->offset, expected->first);
  EXPECT_EQ(block->bytes, expected->second);
}

void compare_with_model(std::uint64_t seed, std::uint64_t size, int steps) {
  Random random(seed);
  Buddy buddy(size);
  Model model(size);
  for (int step = 0; step < steps; ++step) {
    // The share of releases goes up and down, so that it is full at times and empty at others.
    if (random.below(100) < (step / 200 % 2 == 0 ? 35u : 65u) && !model.taken().empty()) {
      auto victim = model.taken().begin();
      std::advance(victim, random.below(model.taken().size()));
      const std::uint64_t offset = victim->first;
      model.release(offset);
      buddy.release(offset);
    } else {
      const std::uint64_t bytes = random_bytes(random, size);
      ASSERT_EQ(buddy.allocate(bytes), model.allocate(bytes)) << bytes << " in step " << step;
    }
    ASSERT_EQ(buddy.empty(), model.taken().empty());
    expect_same_block(buddy, model, random.below(size + kPage));
  }
  while (!model.taken().empty()) {
    const std::uint64_t offset = model.taken().rbegin()->first;
    model.release(offset);
    buddy.release(offset);
  }
  EXPECT_TRUE(buddy.empty());
  EXPECT_EQ(buddy.allocate(size), 0u) << "everything is one block again";
}

TEST(Buddy, DoesWhatTheModelDoes) {
  for (const std::uint64_t size : {kPage, 2 * kPage, 64 * kPage, 512 * kPage, 16384 * kPage}) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      SCOPED_TRACE(testing::Message() << "seed " << seed << ", " << size << " bytes");
      compare_with_model(seed, size, 2000);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Buddy, ManagesPowersOfTwoFromItsSmallestBlock) {
  for (const std::uint64_t bytes : {kPage, 2 * kPage, Buddy::kLargestRange}) {
    EXPECT_TRUE(Buddy::manages(bytes)) << bytes;
  }
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1}, kPage / 2, kPage + 1,
                                    3 * kPage, 2 * Buddy::kLargestRange, UINT64_MAX}) {
    EXPECT_FALSE(Buddy::manages(bytes)) << bytes;
  }
}

TEST(Buddy, RoundsUpToABlockAlignedToItsSize) {
  for (const auto& [asked, given] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, kPage},
                                                            {1, kPage},
                                                            {kPage, kPage},
                                                            {kPage + 1, 2 * kPage},
                                                            {3 * kPage, 4 * kPage},
                                                            {9 * kPage, 16 * kPage},
                                                            {16 * kPage, 16 * kPage}}) {
    Buddy buddy(32 * kPage);
    ASSERT_EQ(buddy.allocate(1), 0u);  // so that what follows is not at 0 whatever its size
    const auto offset = buddy.allocate(asked);
    ASSERT_TRUE(offset) << asked;
    EXPECT_EQ(*offset, given) << "the lowest place of that alignment";
    EXPECT_EQ(buddy.find_block(*offset)->bytes, given) << asked;
  }
}

TEST(Buddy, PrefersTheSmallestBlockThatFitsToOneAtALowerOffset) {
  Buddy buddy(16 * kPage);
  ASSERT_EQ(buddy.allocate(8 * kPage), 0u);
  ASSERT_EQ(buddy.allocate(kPage), 8 * kPage);
  buddy.release(0);
  EXPECT_EQ(buddy.allocate(kPage), 9 * kPage) << "the lower half stays whole";
  EXPECT_EQ(buddy.allocate(8 * kPage), 0u);
}

TEST(Buddy, GivesAllItHasAndNoMore) {
  constexpr std::uint64_t kPages = 64;
  Buddy buddy(kPages * kPage);
  for (std::uint64_t page = 0; page < kPages; ++page) {
    ASSERT_EQ(buddy.allocate(kPage), page * kPage);
  }
  EXPECT_EQ(buddy.allocate(0), std::nullopt);
  EXPECT_EQ(buddy.allocate(kPage), std::nullopt);
  buddy.release(17 * kPage);
  EXPECT_EQ(buddy.allocate(kPage + 1), std::nullopt) << "one page is free";
  EXPECT_EQ(buddy.allocate(kPage), 17 * kPage);
}

TEST(Buddy, RefusesMoreThanItsSize) {
  Buddy buddy(8 * kPage);
  EXPECT_EQ(buddy.allocate(8 * kPage + 1), std::nullopt);
  EXPECT_EQ(buddy.allocate(UINT64_MAX), std::nullopt);
  EXPECT_TRUE(buddy.empty());
  EXPECT_EQ(buddy.allocate(8 * kPage), 0u);
  EXPECT_EQ(buddy.allocate(1), std::nullopt) << "the whole range is one block";
  EXPECT_FALSE(buddy.empty());
}

TEST(Buddy, JoinsFreeBlocksInWhateverOrderTheyCome) {
  std::array<std::uint64_t, 8> order{0, 1, 2, 3, 4, 5, 6, 7};
  Buddy buddy(order.size() * kPage);
  do {
    for (std::uint64_t page = 0; page < order.size(); ++page) {
      ASSERT_EQ(buddy.allocate(1), page * kPage);
    }
    for (const std::uint64_t page : order) {
      ASSERT_FALSE(buddy.empty());
      buddy.release(page * kPage);
    }
    ASSERT_TRUE(buddy.empty());
  } while (std::ranges::next_permutation(order).found);
}

TEST(Buddy, JoinsHalvesOfOneBlockAlone) {
  Buddy buddy(4 * kPage);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(buddy.allocate(kPage));
  buddy.release(kPage);
  buddy.release(2 * kPage);
  EXPECT_EQ(buddy.allocate(2 * kPage), std::nullopt) << "neighbours, but of different blocks";
  buddy.release(0);
  EXPECT_EQ(buddy.allocate(2 * kPage), 0u);
}

TEST(Buddy, FindsTheBlockAroundAnOffset) {
  Buddy buddy(16 * kPage);
  ASSERT_EQ(buddy.allocate(4 * kPage), 0u);
  ASSERT_EQ(buddy.allocate(kPage), 4 * kPage);
  for (const std::uint64_t offset : {std::uint64_t{0}, kPage, 4 * kPage - 1}) {
    const auto block = buddy.find_block(offset);
    ASSERT_TRUE(block) << offset;
    EXPECT_EQ(block->offset, 0u);
    EXPECT_EQ(block->bytes, 4 * kPage);
  }
  EXPECT_EQ(buddy.find_block(4 * kPage)->offset, 4 * kPage);
  for (const std::uint64_t offset : {5 * kPage, 15 * kPage, 16 * kPage, UINT64_MAX}) {
    EXPECT_FALSE(buddy.find_block(offset)) << offset;
  }
  buddy.release(0);
  EXPECT_FALSE(buddy.find_block(0));
}

}  // namespace
}  // namespace vac::remote
