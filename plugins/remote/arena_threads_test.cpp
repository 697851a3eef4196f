// SPDX-License-Identifier: Apache-2.0
// Many threads in one arena: no block is ever two owners', also while regions come and go.
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "arena_fixture.hpp"
#include "support/random.hpp"

namespace vac::remote {
namespace {

constexpr std::uint64_t kLargestBuffer = 32 * kPage;
constexpr std::size_t kMostBuffers = 8;
constexpr std::size_t kThreads = 4;

/// As a connection does it: one at a time, and who comes late takes what there is.
class Grower {
 public:
  explicit Grower(Arena& arena) : arena_(arena) {}

  std::unique_ptr<RegionBuffer> allocate(std::uint64_t bytes) {
    if (auto buffer = arena_.allocate(bytes)) return buffer;
    const std::scoped_lock lock(growing_);
    if (auto buffer = arena_.allocate(bytes)) return buffer;
    const auto size = arena_.next_region_bytes(bytes);
    if (!size) return nullptr;
    EXPECT_TRUE(arena_.add(map_region(++last_id_, *size)));
    return arena_.allocate(bytes);
  }

 private:
  Arena& arena_;
  std::mutex growing_;
  std::uint32_t last_id_ = 0;
};

/// Whether the arena may end while it is in use.
enum class Life : std::uint8_t { stays, may_end };

/// What one thread has: buffers full of its own mark.
class Holder {
 public:
  Holder(Arena& arena, Grower& grower, Life life, std::uint64_t seed)
      : arena_(arena),
        grower_(grower),
        life_(life),
        mark_(static_cast<int>(seed % 256)),
        random_(seed) {}

  void step() {
    if (buffers_.empty() || (buffers_.size() < kMostBuffers && random_.one_in(2))) return take();
    std::unique_ptr<RegionBuffer>& buffer = buffers_[random_.below(buffers_.size())];
    expect_mine(*buffer);
    if (random_.one_in(3)) return free_while_busy(buffer);
    if (random_.one_in(2)) return drop(buffer);
    Pin pin;
    arena_.pin(buffer->data(), buffer->bytes(), pin);
    arena_.unpin(pin);
  }
  /// False: the arena has ended.
  bool served() const { return served_; }

 private:
  using Pin = Arena::Pin;

  void take() {
    const std::uint64_t bytes = 1 + random_.below(kLargestBuffer);
    auto buffer = grower_.allocate(bytes);
    served_ = buffer != nullptr;
    if (!served_) return;
    std::memset(buffer->data(), mark_, static_cast<std::size_t>(bytes));
    buffers_.push_back(std::move(buffer));
  }

  void drop(std::unique_ptr<RegionBuffer>& buffer) {
    std::swap(buffer, buffers_.back());
    buffers_.pop_back();
  }

  void free_while_busy(std::unique_ptr<RegionBuffer>& buffer) {
    Pin pin, again;
    std::byte* const data = buffer->data();
    const std::uint64_t bytes = buffer->bytes();
    arena_.pin(data, bytes, pin);
    arena_.pin(data + bytes - 1, 1, again);
    drop(buffer);
    arena_.unpin(again);
    // The other pin keeps the memory, unless the arena has ended.
    if (life_ == Life::stays) {
      EXPECT_FALSE(arena_.locate(data, bytes));
      EXPECT_EQ(data[bytes / 2], static_cast<std::byte>(mark_));
      data[bytes / 2] = static_cast<std::byte>(mark_);  // as a late reply would
    }
    arena_.unpin(pin);
  }

  void expect_mine(const RegionBuffer& buffer) const {
    const auto bytes = static_cast<std::size_t>(buffer.bytes());
    EXPECT_EQ(buffer.data()[0], static_cast<std::byte>(mark_));
    EXPECT_EQ(std::memcmp(buffer.data(), buffer.data() + 1, bytes - 1), 0);
  }

  Arena& arena_;
  Grower& grower_;
  const Life life_;
  const int mark_;
  test::Random random_;
  bool served_ = true;
  std::vector<std::unique_ptr<RegionBuffer>> buffers_;
};

TEST(ArenaThreads, ShareItsRegions) {
  const auto arena = Arena::create();
  Grower grower(*arena);
  std::vector<std::thread> threads;
  for (std::size_t i = 1; i <= kThreads; ++i) {
    threads.emplace_back([&, i] {
      Holder holder(*arena, grower, Life::stays, i);
      for (int step = 0; step < 2000 && holder.served(); ++step) holder.step();
      EXPECT_TRUE(holder.served());
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Arena::Usage usage = arena->usage();
  EXPECT_EQ(usage.blocks_held, 0u);
  EXPECT_EQ(usage.blocks_busy, 0u);
  EXPECT_GE(usage.regions, 1u);
  EXPECT_NE(arena->allocate(2 * kMiB), nullptr) << "the first region is one block again";
}

TEST(ArenaThreads, GoOnWhenTheConnectionEnds) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    auto arena = Arena::create();
    Grower grower(*arena);
    std::atomic<std::size_t> taken{0};
    std::vector<std::thread> threads;
    for (std::size_t i = 1; i <= kThreads; ++i) {
      threads.emplace_back([&, i] {
        Holder holder(*arena, grower, Life::may_end, round * kThreads + i);
        for (; holder.served(); ++taken) holder.step();
        for (int late = 0; late < 20; ++late) holder.step();
      });
    }
    while (taken < 200) std::this_thread::yield();
    arena->orphan();
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(arena->usage().blocks_held, 0u);
    EXPECT_EQ(arena->usage().blocks_busy, 0u);
    EXPECT_EQ(mapped_regions(), 0u);
  }
}

}  // namespace
}  // namespace vac::remote
