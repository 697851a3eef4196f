// SPDX-License-Identifier: Apache-2.0
#include "arena.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <vector>

#include "arena_fixture.hpp"

namespace vac::remote {
namespace {

using Pin = Arena::Pin;
using testing::HasSubstr;

bool is_at(const std::optional<Arena::Location>& location, std::uint32_t region,
           std::uint64_t offset) {
  return location && location->region == region && location->offset == offset;
}

/// Frees a buffer and says where it was.
std::byte* free_now(std::unique_ptr<RegionBuffer> buffer) { return buffer->data(); }

TEST(Arena, HasNoRoomBeforeItsFirstRegion) {
  const auto arena = Arena::create();
  EXPECT_EQ(arena->allocate(1), nullptr);
  EXPECT_FALSE(arena->locate(arena.get(), 1));
  EXPECT_EQ(arena->usage().regions, 0u);
}

TEST(Arena, GivesBuffersOfTheFirstRegionWithRoom) {
  const auto arena = arena_of({2 * kPage, 4 * kPage});
  const auto large = arena->allocate(3 * kPage);
  const auto small = arena->allocate(10);
  const auto medium = arena->allocate(2 * kPage);
  EXPECT_EQ(medium, nullptr) << "one page is left in the first, and none in the second";
  ASSERT_TRUE(large && small);
  EXPECT_TRUE(is_at(arena->locate(large->data(), 1), 2, 0));
  EXPECT_TRUE(is_at(arena->locate(small->data(), 1), 1, 0));
  EXPECT_EQ(large->bytes(), 3 * kPage);
  EXPECT_EQ(small->bytes(), 10u);
  std::memset(large->data(), 1, 3 * kPage);
  std::memset(small->data(), 2, 10);
}

TEST(Arena, GivesAFreedBlockAgainWithWhatIsInIt) {
  const auto arena = arena_of({kPage});
  auto buffer = arena->allocate(kPage);
  EXPECT_EQ(arena->allocate(1), nullptr);
  buffer->data()[7] = std::byte{42};
  const std::byte* const before = free_now(std::move(buffer));
  buffer = arena->allocate(1);
  ASSERT_NE(buffer, nullptr);
  EXPECT_EQ(buffer->data(), before);
  EXPECT_EQ(buffer->data()[7], std::byte{42});
}

TEST(Arena, CountsWhatIsMappedHeldAndBusy) {
  const auto arena = arena_of({4 * kPage, 8 * kPage});
  const auto first = arena->allocate(1);
  auto second = arena->allocate(8 * kPage);
  Pin pin;
  ASSERT_TRUE(arena->pin(second->data(), 1, pin));
  second.reset();
  const Arena::Usage usage = arena->usage();
  EXPECT_EQ(usage.regions, 2u);
  EXPECT_EQ(usage.bytes_mapped, 12 * kPage);
  EXPECT_EQ(usage.blocks_held, 1u);
  EXPECT_EQ(usage.blocks_busy, 1u);
  arena->unpin(pin);
  EXPECT_EQ(arena->usage().blocks_busy, 0u);
}

TEST(Arena, RefusesRegionsThatNoAgentMayGrant) {
  struct Case {
    std::uint32_t id;
    std::uint64_t bytes;
    const char* text;
  };
  const auto arena = arena_of({kPage, kPage});
  for (const Case& bad : {Case{0, kPage, "it granted region 0, not one of 1 to 15"},
                          Case{16, kPage, "it granted region 16, not one of 1 to 15"},
                          Case{2, kPage, "it granted region 2 twice"},
                          Case{3, 3 * kPage, "it granted a region of 12288 bytes, not a power of"},
                          Case{3, 2048 * kMiB, "it granted a region of 2147483648 bytes"}}) {
    const Status status = arena->add(map_region(bad.id, bad.bytes));
    ASSERT_FALSE(status) << bad.text;
    EXPECT_EQ(status.error().code(), Errc::protocol);
    EXPECT_THAT(status.error().text(), HasSubstr(bad.text));
  }
  EXPECT_EQ(arena->usage().regions, 2u);
  EXPECT_EQ(mapped_regions(), 2u) << "what was refused is unmapped";
}

TEST(ArenaGrowth, DoublesFromTwoMiBAndSkipsSizesToFit) {
  struct Case {
    std::initializer_list<std::uint64_t> regions;  // in MiB
    std::uint64_t bytes;
    std::optional<std::uint64_t> next;
  };
  for (const Case& row :
       {Case{{}, 0, 2 * kMiB}, Case{{}, 1, 2 * kMiB}, Case{{}, 2 * kMiB, 2 * kMiB},
        Case{{}, 2 * kMiB + 1, 4 * kMiB}, Case{{}, 10 * kMiB, 16 * kMiB},
        Case{{}, 64 * kMiB, 64 * kMiB}, Case{{}, 64 * kMiB + 1, {}}, Case{{}, UINT64_MAX, {}},
        Case{{2}, 1, 4 * kMiB}, Case{{2}, 5 * kMiB, 8 * kMiB}, Case{{2, 4}, 1, 8 * kMiB},
        Case{{16}, 1, 32 * kMiB}, Case{{2, 16}, 33 * kMiB, 64 * kMiB}, Case{{64, 2}, 1, 64 * kMiB},
        Case{{2, 4, 8, 16, 32, 64}, 1, 64 * kMiB}}) {
    const auto arena = Arena::create();
    std::uint32_t id = 0;
    for (const std::uint64_t size : row.regions) {
      ASSERT_TRUE(arena->add(map_region(++id, size * kMiB)));
    }
    EXPECT_EQ(arena->next_region_bytes(row.bytes), row.next)
        << row.bytes << " bytes beside " << row.regions.size() << " regions";
  }
}

TEST(ArenaGrowth, EndsAtFifteenRegions) {
  const auto arena = Arena::create();
  for (std::uint32_t id = 1; id <= Arena::kMostRegions; ++id) {
    EXPECT_TRUE(arena->next_region_bytes(1)) << id;
    ASSERT_TRUE(arena->add(map_region(id, kPage)));
  }
  EXPECT_FALSE(arena->next_region_bytes(1));
  std::vector<std::unique_ptr<RegionBuffer>> buffers;
  while (auto buffer = arena->allocate(1)) buffers.push_back(std::move(buffer));
  ASSERT_EQ(buffers.size(), Arena::kMostRegions);
  EXPECT_TRUE(is_at(arena->locate(buffers.back()->data(), kPage), 15, 0));
}

std::vector<std::uint32_t> ids_of(const std::vector<std::unique_ptr<MappedRegion>>& regions) {
  std::vector<std::uint32_t> ids;
  for (const auto& region : regions) ids.push_back(region->id());
  return ids;
}

TEST(ArenaSurplus, IsWhatBuffersHaveLeftButTheLargestRegion) {
  const auto arena = arena_of({2 * kPage, 8 * kPage, 4 * kPage});
  std::vector<std::unique_ptr<RegionBuffer>> buffers;
  for (const std::uint64_t pages : {2, 8, 4}) buffers.push_back(arena->allocate(pages * kPage));
  buffers[0].reset();
  EXPECT_FALSE(arena->has_surplus()) << "one is kept";
  EXPECT_THAT(arena->take_surplus(0, 0), testing::IsEmpty());
  buffers[1].reset();
  EXPECT_TRUE(arena->has_surplus());
  EXPECT_THAT(ids_of(arena->take_surplus(0, 0)), testing::ElementsAre(1));
  EXPECT_FALSE(arena->has_surplus());
  buffers[2].reset();
  EXPECT_THAT(ids_of(arena->take_surplus(0, 0)), testing::ElementsAre(3));
  EXPECT_EQ(arena->usage().regions, 1u);
  EXPECT_EQ(arena->usage().bytes_mapped, 8 * kPage);
  EXPECT_EQ(mapped_regions(), 1u);
}

/// Looked at every 100 ns.
TEST(ArenaSurplus, IsWhatNobodyNeedsForSoLong) {
  constexpr std::int64_t kIdle = 1000;
  const auto arena = arena_of({2 * kPage, 8 * kPage});
  auto small = arena->allocate(2 * kPage);
  small.reset();
  EXPECT_TRUE(arena->has_surplus());
  std::int64_t now = 5'000'000;
  for (const std::int64_t first = now; now < first + kIdle; now += 100) {
    EXPECT_THAT(arena->take_surplus(now, kIdle), testing::IsEmpty());
    EXPECT_TRUE(arena->has_surplus()) << "it will be there";
  }
  EXPECT_THAT(ids_of(arena->take_surplus(now, kIdle)), testing::ElementsAre(1));
  EXPECT_FALSE(arena->has_surplus());
}

/// Whoever makes and frees the same buffers again and again.
TEST(ArenaSurplus, IsNothingThatIsUsedAgainAndAgain) {
  constexpr std::int64_t kIdle = 1000;
  const auto arena = arena_of({8 * kPage, 8 * kPage});
  for (std::int64_t now = 0; now < 10 * kIdle; now += kIdle) {
    auto first = arena->allocate(8 * kPage), second = arena->allocate(8 * kPage);
    ASSERT_TRUE(first && second);
    EXPECT_THAT(arena->take_surplus(now, kIdle), testing::IsEmpty());
    EXPECT_FALSE(arena->has_surplus());
    first.reset();
    second.reset();
    EXPECT_THAT(arena->take_surplus(now + 1, kIdle), testing::IsEmpty());
  }
  EXPECT_EQ(arena->usage().regions, 2u);
}

/// One that became empty later is the larger one; the other one has waited long enough.
TEST(ArenaSurplus, KeepsTheLargestHoweverLongOthersAreEmpty) {
  constexpr std::int64_t kIdle = 1000;
  const auto arena = arena_of({2 * kPage, 4 * kPage, 8 * kPage});
  auto medium = arena->allocate(4 * kPage), large = arena->allocate(8 * kPage);
  EXPECT_THAT(arena->take_surplus(0, kIdle), testing::IsEmpty());
  medium.reset();
  EXPECT_THAT(arena->take_surplus(500, kIdle), testing::IsEmpty());
  large.reset();
  EXPECT_THAT(ids_of(arena->take_surplus(1000, kIdle)), testing::ElementsAre(1));
  EXPECT_THAT(ids_of(arena->take_surplus(1500, kIdle)), testing::ElementsAre(2));
  EXPECT_THAT(arena->take_surplus(1'000'000, kIdle), testing::IsEmpty());
  EXPECT_EQ(arena->usage().bytes_mapped, 8 * kPage);
}

TEST(ArenaSurplus, IsNothingThatACallUses) {
  const auto arena = arena_of({2 * kPage, 8 * kPage});
  auto small = arena->allocate(2 * kPage);
  Arena::Pin pin;
  ASSERT_TRUE(arena->pin(small->data(), kPage, pin));
  small.reset();
  EXPECT_FALSE(arena->has_surplus());
  EXPECT_THAT(arena->take_surplus(0, 0), testing::IsEmpty());
  arena->unpin(pin);
  EXPECT_TRUE(arena->has_surplus());
  EXPECT_THAT(ids_of(arena->take_surplus(0, 0)), testing::ElementsAre(1));
}

/// The agent may give the same number again.
TEST(ArenaSurplus, LeavesItsPlaceToOthers) {
  const auto arena = arena_of({2 * kPage, 8 * kPage});
  const std::byte* gone = nullptr;
  {
    const auto small = arena->allocate(2 * kPage);
    gone = small->data();
  }
  ASSERT_THAT(ids_of(arena->take_surplus(0, 0)), testing::ElementsAre(1));
  EXPECT_FALSE(arena->locate(gone, 1));
  ASSERT_TRUE(arena->add(map_region(1, 16 * kPage)));
  const auto buffer = arena->allocate(16 * kPage);
  ASSERT_NE(buffer, nullptr);
  EXPECT_TRUE(is_at(arena->locate(buffer->data() + kPage, kPage), 1, kPage));
}

TEST(ArenaSurplus, IsNothingAfterTheConnection) {
  const auto arena = arena_of({2 * kPage, 8 * kPage});
  const auto small = arena->allocate(2 * kPage);
  auto large = arena->allocate(8 * kPage);
  arena->orphan();
  large.reset();
  EXPECT_FALSE(arena->has_surplus());
  EXPECT_THAT(arena->take_surplus(0, 0), testing::IsEmpty());
}

TEST(ArenaGrowth, EndsWhenItIsClosedAndWithTheConnection) {
  const auto refused = arena_of({kPage});
  refused->close_growth();
  EXPECT_FALSE(refused->next_region_bytes(1));
  EXPECT_NE(refused->allocate(1), nullptr) << "what is there stays in use";
  const auto ended = arena_of({kPage});
  ended->orphan();
  EXPECT_FALSE(ended->next_region_bytes(1));
}

/// Two neighbouring blocks of two pages; what is behind them is free.
class ArenaLocate : public testing::Test {
 protected:
  const std::shared_ptr<Arena> arena_ = arena_of({8 * kPage});
  std::unique_ptr<RegionBuffer> first_ = arena_->allocate(2 * kPage);
  std::unique_ptr<RegionBuffer> second_ = arena_->allocate(2 * kPage);
  std::byte* const base_ = first_->data();
};

TEST_F(ArenaLocate, FindsWhatLiesInOneBlock) {
  for (const auto& [offset, bytes] :
       std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 1},
                                                            {0, 2 * kPage},
                                                            {1, 2 * kPage - 1},
                                                            {2 * kPage - 1, 1},
                                                            {2 * kPage, 2 * kPage},
                                                            {4 * kPage - 1, 1}}) {
    EXPECT_TRUE(is_at(arena_->locate(base_ + offset, bytes), 1, offset)) << offset << ' ' << bytes;
  }
}

TEST_F(ArenaLocate, FindsNothingBeyondABlockOrAcrossTwo) {
  for (const auto& [offset, bytes] : std::vector<std::pair<std::uint64_t, std::uint64_t>>{
           {0, 2 * kPage + 1},          // one byte beyond
           {1, 2 * kPage},              // the same, from behind the start
           {2 * kPage - 1, 2},          // across two blocks
           {0, 4 * kPage},              // both of them
           {2 * kPage, 2 * kPage + 1},  // into what is free
           {4 * kPage, 1},              // free
           {8 * kPage - 1, 1},          // the region's last byte
           {8 * kPage, 1},              // behind the region
           {0, 0},                      // nothing needs no place
           {1, UINT64_MAX},             // beyond all memory
           {2 * kPage, UINT64_MAX - 1}}) {
    EXPECT_FALSE(arena_->locate(base_ + offset, bytes)) << offset << ' ' << bytes;
    Pin pin;
    EXPECT_FALSE(arena_->pin(base_ + offset, bytes, pin)) << offset << ' ' << bytes;
    EXPECT_FALSE(pin);
  }
}

TEST_F(ArenaLocate, FindsNothingInOtherMemory) {
  const std::vector<std::byte> ordinary(64);
  const std::byte local{};
  for (const void* data :
       {static_cast<const void*>(ordinary.data()), static_cast<const void*>(&local),
        static_cast<const void*>(base_ - 1), static_cast<const void*>(nullptr)}) {
    EXPECT_FALSE(arena_->locate(data, 1)) << data;
  }
  EXPECT_FALSE(arena_->locate(reinterpret_cast<const void*>(UINTPTR_MAX), 1));
}

TEST_F(ArenaLocate, FindsNothingInAFreedBlock) {
  first_.reset();
  EXPECT_FALSE(arena_->locate(base_, 1));
  EXPECT_TRUE(is_at(arena_->locate(second_->data(), 1), 1, 2 * kPage));
}

/// Two regions of two pages, with nothing between them.
TEST(ArenaNeighbours, AreToldApart) {
  void* const memory =
      ::mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* const base = static_cast<std::byte*>(memory);
  const auto arena = Arena::create();
  ASSERT_TRUE(arena->add(std::make_unique<MappedRegion>(base, 2 * kPage, 1)));
  ASSERT_TRUE(arena->add(std::make_unique<MappedRegion>(base + 2 * kPage, 2 * kPage, 2)));
  const auto first = arena->allocate(2 * kPage);
  const auto second = arena->allocate(2 * kPage);
  EXPECT_TRUE(is_at(arena->locate(base + 2 * kPage - 1, 1), 1, 2 * kPage - 1));
  EXPECT_TRUE(is_at(arena->locate(base + 2 * kPage, 1), 2, 0));
  EXPECT_FALSE(arena->locate(base + 2 * kPage - 1, 2)) << "across two regions";
  EXPECT_FALSE(arena->locate(base + 4 * kPage, 1));
}

TEST_F(ArenaLocate, SaysTheRegionsIdNotItsPlace) {
  ASSERT_TRUE(arena_->add(map_region(11, 16 * kPage)));
  ASSERT_TRUE(arena_->add(map_region(4, 32 * kPage)));
  const auto buffer = arena_->allocate(32 * kPage);
  EXPECT_TRUE(is_at(arena_->locate(buffer->data() + 5, 1), 4, 5));
}

TEST(ArenaPin, SaysWhereTheBytesAre) {
  const auto arena = arena_of({kPage, 4 * kPage});
  const auto buffer = arena->allocate(2 * kPage);
  Pin pin;
  EXPECT_TRUE(is_at(arena->pin(buffer->data() + 100, kPage, pin), 2, 100));
  EXPECT_TRUE(pin);
  arena->unpin(pin);
}

TEST(ArenaPin, KeepsABlockThatItsOwnerFrees) {
  const auto arena = arena_of({kPage});
  auto buffer = arena->allocate(1);
  Pin pin;
  ASSERT_TRUE(arena->pin(buffer->data(), 1, pin));
  const std::byte* const data = free_now(std::move(buffer));
  EXPECT_EQ(arena->allocate(1), nullptr) << "the agent may still write there";
  EXPECT_FALSE(arena->locate(data, 1)) << "it is nobody's any more";
  Pin late;
  EXPECT_FALSE(arena->pin(data, 1, late));
  arena->unpin(pin);
  EXPECT_NE(arena->allocate(1), nullptr);
}

TEST(ArenaPin, LetsABlockBePinnedManyTimes) {
  const auto arena = arena_of({kPage});
  auto buffer = arena->allocate(kPage);
  std::vector<Pin> pins(5);
  for (Pin& pin : pins) ASSERT_TRUE(arena->pin(buffer->data() + 8, 8, pin));
  EXPECT_EQ(arena->usage().blocks_busy, 1u);
  buffer.reset();
  for (const Pin& pin : pins) {
    EXPECT_EQ(arena->allocate(1), nullptr);
    EXPECT_EQ(arena->usage().blocks_busy, 1u);
    arena->unpin(pin);
  }
  EXPECT_EQ(arena->usage().blocks_busy, 0u);
  EXPECT_NE(arena->allocate(1), nullptr);
}

TEST(ArenaPin, LeavesTheBlockHeldWhenItEndsFirst) {
  const auto arena = arena_of({kPage});
  auto buffer = arena->allocate(1);
  for (int i = 0; i < 3; ++i) {
    Pin pin;
    ASSERT_TRUE(arena->pin(buffer->data(), 1, pin));
    arena->unpin(pin);
    EXPECT_EQ(arena->allocate(1), nullptr);
  }
  EXPECT_EQ(arena->usage().blocks_held, 1u);
  buffer.reset();
  EXPECT_NE(arena->allocate(1), nullptr);
}

TEST(ArenaPin, IsNothingUntilItIsTaken) {
  const auto arena = arena_of({kPage});
  EXPECT_FALSE(Pin());
  arena->unpin(Pin());
  EXPECT_EQ(arena->usage().blocks_busy, 0u);
}

TEST(ArenaOrphan, UnmapsWhatNobodyHolds) {
  const auto arena = arena_of({kPage, 2 * kPage, 4 * kPage});
  auto small = arena->allocate(1);
  auto large = arena->allocate(4 * kPage);
  auto half = arena->allocate(1);
  arena->orphan();
  EXPECT_EQ(mapped_regions(), 3u);
  half.reset();
  EXPECT_EQ(mapped_regions(), 2u);
  EXPECT_EQ(arena->usage().regions, 2u);
  EXPECT_EQ(arena->usage().bytes_mapped, 5 * kPage);
  std::memset(large->data(), 1, 4 * kPage);
  small.reset();
  EXPECT_EQ(mapped_regions(), 1u);
  large.reset();
  EXPECT_EQ(mapped_regions(), 0u);
  EXPECT_EQ(arena->usage().blocks_held, 0u);
}

TEST(ArenaOrphan, FindsPinsAndGivesNothingAnyMore) {
  const auto arena = arena_of({4 * kPage});
  const auto buffer = arena->allocate(1);
  arena->orphan();
  Pin pin;
  EXPECT_FALSE(arena->locate(buffer->data(), 1));
  EXPECT_FALSE(arena->pin(buffer->data(), 1, pin));
  EXPECT_EQ(arena->allocate(1), nullptr);
  EXPECT_TRUE(arena->add(map_region(2, kPage)));
  EXPECT_EQ(arena->allocate(1), nullptr);
  EXPECT_EQ(mapped_regions(), 1u) << "what comes late is unmapped";
}

TEST(ArenaOrphan, EndsPinsAndMindsNoLateUnpin) {
  const auto arena = arena_of({4 * kPage, 8 * kPage});
  const auto held = arena->allocate(1);
  auto freed = arena->allocate(8 * kPage);
  Pin twice, again, of_freed;
  ASSERT_TRUE(arena->pin(held->data(), 1, twice));
  ASSERT_TRUE(arena->pin(held->data(), 1, again));
  ASSERT_TRUE(arena->pin(freed->data(), 1, of_freed));
  freed.reset();
  arena->orphan();
  EXPECT_EQ(mapped_regions(), 1u) << "no call keeps the freed block";
  for (const Pin& pin : {of_freed, twice, again}) arena->unpin(pin);
  arena->orphan();
  EXPECT_EQ(arena->usage().blocks_held, 1u);
  EXPECT_EQ(arena->usage().blocks_busy, 0u);
  held->data()[0] = std::byte{1};
}

TEST(ArenaOrphan, LetsABufferOutliveTheArenasOtherOwners) {
  auto arena = arena_of({4 * kPage});
  auto buffer = arena->allocate(2 * kPage);
  auto other = arena->allocate(1);
  arena->orphan();
  arena.reset();
  std::memset(buffer->data(), 7, 2 * kPage);
  other.reset();
  EXPECT_EQ(buffer->data()[kPage], std::byte{7});
  std::thread([last = std::move(buffer)]() mutable { last.reset(); }).join();
  EXPECT_EQ(mapped_regions(), 0u);
}

TEST(ArenaOrphan, IsNotNeededToUnmapWhatNobodyHolds) {
  auto arena = arena_of({kPage, kPage});
  EXPECT_EQ(mapped_regions(), 2u);
  auto buffer = arena->allocate(1);
  arena.reset();
  EXPECT_EQ(mapped_regions(), 2u) << "the buffer is an owner of the arena";
  buffer.reset();
  EXPECT_EQ(mapped_regions(), 0u);
}

}  // namespace
}  // namespace vac::remote
