// SPDX-License-Identifier: Apache-2.0
#include "arena.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <optional>
#include <utility>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "buddy.hpp"

namespace vac::remote {
namespace {

std::uintptr_t address_of(const void* data) noexcept {
  return reinterpret_cast<std::uintptr_t>(data);
}

}  // namespace

struct Arena::Region {
  /// Of the block that starts at a page. The buddy has it taken while it is held or pinned.
  struct Use {
    std::uint32_t pins = 0;
    bool held = false;
  };

  explicit Region(std::unique_ptr<MappedRegion> shared)
      : memory(std::move(shared)),
        buddy(memory->bytes()),
        uses(static_cast<std::size_t>(memory->bytes() / Buddy::kSmallestBlock)) {}

  void free_block(std::uint32_t page) noexcept { buddy.release(page * Buddy::kSmallestBlock); }
  /// Whether no block was taken since that long; the first who asks starts the clock.
  bool idle_for(std::int64_t idle_ns, std::int64_t now_ns) noexcept {
    if (!empty_since_ns) empty_since_ns = now_ns;
    return now_ns - *empty_since_ns >= idle_ns;
  }

  std::unique_ptr<MappedRegion> memory;
  Buddy buddy;
  std::vector<Use> uses;
  std::optional<std::int64_t> empty_since_ns;  // nothing while a block is taken
};

std::shared_ptr<Arena> Arena::create() { return std::shared_ptr<Arena>(new Arena); }

Arena::Arena() = default;

Arena::~Arena() = default;

Status Arena::add(std::unique_ptr<MappedRegion> region) {
  const std::uint32_t id = region->id();
  const std::uint64_t bytes = region->bytes();
  if (id == 0 || id > kMostRegions) {
    return Error{Errc::protocol, concat("it granted region ", id, ", not one of 1 to 15")};
  }
  if (!Buddy::manages(bytes)) {
    return Error{Errc::protocol, concat("it granted a region of ", bytes,
                                        " bytes, not a power of two from 4 KiB to 1 GiB")};
  }
  const std::uintptr_t begin = address_of(region->base());
  auto added = std::make_unique<Region>(std::move(region));

  const MutexLock lock(mutex_);
  if (orphaned_) return {};
  const auto same_id = [&](const auto& other) {
    return other != nullptr && other->memory->id() == id;
  };
  if (std::ranges::any_of(regions_, same_id)) {
    return Error{Errc::protocol, concat("it granted region ", id, " twice")};
  }
  // There is room: the ids are different ones, of 1 to 15.
  const auto place = std::ranges::find_if(regions_, std::logical_not());
  *place = std::move(added);
  set_range(static_cast<std::uint32_t>(place - regions_.begin()), begin, bytes);
  return {};
}

/// Relaxed: who has a pointer into the region has it from allocate(), which comes after this.
void Arena::set_range(std::uint32_t index, std::uintptr_t begin, std::uint64_t bytes) noexcept {
  ranges_[index].begin.store(begin, std::memory_order_relaxed);
  ranges_[index].end.store(begin + static_cast<std::uintptr_t>(bytes), std::memory_order_relaxed);
  const std::uint32_t count = range_count_.load(std::memory_order_relaxed);
  range_count_.store(std::max(count, index + 1), std::memory_order_relaxed);
}

std::unique_ptr<RegionBuffer> Arena::allocate(std::uint64_t bytes) {
  // Made first: what can fail must not leave a block behind.
  std::unique_ptr<RegionBuffer> buffer(new RegionBuffer);
  std::shared_ptr<Arena> self = shared_from_this();

  const MutexLock lock(mutex_);
  if (orphaned_) return nullptr;
  for (std::uint32_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i] == nullptr) continue;
    Region& region = *regions_[i];
    const std::optional<std::uint64_t> offset = region.buddy.allocate(bytes);
    if (!offset) continue;
    Pin& block = buffer->block_;
    block.region_ = i;
    block.page_ = static_cast<std::uint32_t>(*offset / Buddy::kSmallestBlock);
    region.uses[block.page_].held = true;
    region.empty_since_ns.reset();
    ++held_;
    buffer->data_ = region.memory->base() + *offset;
    buffer->bytes_ = bytes;
    buffer->arena_ = std::move(self);
    return buffer;
  }
  return nullptr;
}

std::optional<std::uint64_t> Arena::next_region_bytes(std::uint64_t bytes) const noexcept {
  const MutexLock lock(mutex_);
  if (orphaned_ || growth_closed_ || bytes > kLargestRegionBytes) return std::nullopt;
  if (std::ranges::none_of(regions_, std::logical_not())) return std::nullopt;
  std::uint64_t largest = 0;
  for (const auto& region : regions_) {
    if (region != nullptr) largest = std::max(largest, region->memory->bytes());
  }
  const std::uint64_t doubled = std::max(kFirstRegionBytes, 2 * largest);
  return std::min(kLargestRegionBytes, std::max(doubled, std::bit_ceil(bytes)));
}

void Arena::close_growth() noexcept {
  const MutexLock lock(mutex_);
  growth_closed_ = true;
}

std::optional<Arena::Location> Arena::locate(const void* data, std::uint64_t bytes) const noexcept {
  const std::uint32_t index = find_range(address_of(data));
  if (index == kMostRegions) return std::nullopt;
  const MutexLock lock(mutex_);
  const std::optional<Found> found = find_in(index, address_of(data), bytes);
  if (!found) return std::nullopt;
  return found->location;
}

std::optional<Arena::Location> Arena::pin(const void* data, std::uint64_t bytes,
                                          Pin& pin) noexcept {
  const std::uint32_t index = find_range(address_of(data));
  if (index == kMostRegions) return std::nullopt;
  const MutexLock lock(mutex_);
  const std::optional<Found> found = find_in(index, address_of(data), bytes);
  if (!found) return std::nullopt;
  if (regions_[index]->uses[found->block.page_].pins++ == 0) ++busy_;
  pin = found->block;
  return found->location;
}

void Arena::unpin(Pin pin) noexcept {
  if (!pin) return;
  const MutexLock lock(mutex_);
  if (orphaned_) return;
  Region& region = *regions_[pin.region_];
  Region::Use& use = region.uses[pin.page_];
  VAC_ASSERT(use.pins != 0);
  if (--use.pins != 0) return;
  --busy_;
  if (!use.held) free_block(pin);
}

void Arena::free_block(Pin block) noexcept {
  Region& freed = *regions_[block.region_];
  freed.free_block(block.page_);
  if (!freed.buddy.empty()) return;
  const auto is_empty = [](const auto& region) {
    return region != nullptr && region->buddy.empty();
  };
  if (std::ranges::count_if(regions_, is_empty) > 1) {
    surplus_.store(true, std::memory_order_relaxed);
  }
}

/// The place of the region that stays; kMostRegions: none is empty.
std::uint32_t Arena::largest_empty() const noexcept {
  std::uint32_t largest = kMostRegions;
  std::uint64_t bytes = 0;
  for (std::uint32_t i = 0; i < regions_.size(); ++i) {
    const Region* const region = regions_[i].get();
    if (region == nullptr || !region->buddy.empty() || region->memory->bytes() <= bytes) continue;
    largest = i;
    bytes = region->memory->bytes();
  }
  return largest;
}

std::vector<std::unique_ptr<MappedRegion>> Arena::take_surplus(std::int64_t now_ns,
                                                               std::int64_t idle_ns) {
  std::vector<std::unique_ptr<MappedRegion>> taken;
  taken.reserve(kMostRegions);
  const MutexLock lock(mutex_);
  bool more = false;
  const std::uint32_t kept = orphaned_ ? kMostRegions : largest_empty();
  for (std::uint32_t i = 0; i < regions_.size() && kept != kMostRegions; ++i) {
    Region* const region = regions_[i].get();
    if (region == nullptr || !region->buddy.empty()) continue;
    const bool idle = region->idle_for(idle_ns, now_ns);
    if (i == kept) continue;
    if (!idle) {
      more = true;
      continue;
    }
    taken.push_back(std::move(region->memory));
    regions_[i].reset();
    set_range(i, 0, 0);
  }
  surplus_.store(more, std::memory_order_relaxed);
  return taken;
}

void Arena::orphan() noexcept {
  std::array<std::unique_ptr<Region>, kMostRegions> unused;  // unmapped without the mutex
  const MutexLock lock(mutex_);
  if (orphaned_) return;
  orphaned_ = true;
  range_count_.store(0, std::memory_order_relaxed);
  busy_ = 0;
  for (std::uint32_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i] == nullptr) continue;
    Region& region = *regions_[i];
    for (std::uint32_t page = 0; page < region.uses.size(); ++page) {
      Region::Use& use = region.uses[page];
      if (use.pins == 0) continue;
      use.pins = 0;
      if (!use.held) region.free_block(page);
    }
    unused[i] = take_if_unused(i);
  }
}

Arena::Usage Arena::usage() const noexcept {
  const MutexLock lock(mutex_);
  Usage usage{0, 0, held_, busy_};
  for (const auto& region : regions_) {
    if (region == nullptr) continue;
    ++usage.regions;
    usage.bytes_mapped += region->memory->bytes();
  }
  return usage;
}

/// The place of the region in which an address lies; kMostRegions: in none.
std::uint32_t Arena::find_range(std::uintptr_t address) const noexcept {
  const std::uint32_t count = range_count_.load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (address >= ranges_[i].begin.load(std::memory_order_relaxed) &&
        address < ranges_[i].end.load(std::memory_order_relaxed)) {
      return i;
    }
  }
  return kMostRegions;
}

/// `address` lay in the region at `index`, which may have been another one.
std::optional<Arena::Found> Arena::find_in(std::uint32_t index, std::uintptr_t address,
                                           std::uint64_t bytes) const noexcept {
  if (orphaned_ || bytes == 0 || regions_[index] == nullptr) return std::nullopt;
  const Region& region = *regions_[index];
  const std::uint64_t offset = address - address_of(region.memory->base());
  const std::optional<Buddy::Block> block = region.buddy.find_block(offset);
  if (!block || bytes > block->offset + block->bytes - offset) return std::nullopt;
  Found found{{region.memory->id(), offset}, {}};
  found.block.region_ = index;
  found.block.page_ = static_cast<std::uint32_t>(block->offset / Buddy::kSmallestBlock);
  if (!region.uses[found.block.page_].held) return std::nullopt;
  return found;
}

/// The owner of a block has freed it.
void Arena::release(Pin block) noexcept {
  std::unique_ptr<Region> unused;  // unmapped without the mutex
  const MutexLock lock(mutex_);
  Region& region = *regions_[block.region_];
  Region::Use& use = region.uses[block.page_];
  VAC_ASSERT(use.held);
  use.held = false;
  --held_;
  if (use.pins != 0) return;
  free_block(block);
  unused = take_if_unused(block.region_);
}

std::unique_ptr<Arena::Region> Arena::take_if_unused(std::uint32_t index) noexcept {
  if (!orphaned_ || !regions_[index]->buddy.empty()) return nullptr;
  return std::move(regions_[index]);
}

RegionBuffer::~RegionBuffer() {
  if (arena_ != nullptr) arena_->release(block_);
}

}  // namespace vac::remote
