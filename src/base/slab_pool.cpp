// SPDX-License-Identifier: Apache-2.0
#include "base/slab_pool.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <new>

#include "base/assert.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define VAC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VAC_ASAN 1
#endif
#endif
#if defined(VAC_ASAN)
#include <sanitizer/asan_interface.h>
#endif

// Linux 5.14; older headers lack it, and older kernels answer EINVAL.
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace vac {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t page_size() noexcept {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

/// AddressSanitizer reports a use of these bytes: of a slab given back, or behind its size.
void forbid([[maybe_unused]] std::byte* data, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(VAC_ASAN)
  ASAN_POISON_MEMORY_REGION(data, bytes);
#endif
}
void allow([[maybe_unused]] std::byte* data, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(VAC_ASAN)
  ASAN_UNPOISON_MEMORY_REGION(data, bytes);
#endif
}

std::byte* map_pages(std::size_t bytes) noexcept {
  void* const data =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

/// Maps more than is needed and unmaps what lies before the first huge page and behind the block:
/// kernels before 6.7 align mappings to small pages only.
std::byte* map_on_huge_page(std::size_t bytes) noexcept {
  const std::size_t spare = kHugePage - page_size();
  std::byte* const data = map_pages(bytes + spare);
  if (data == nullptr) return nullptr;
  const std::size_t beyond = reinterpret_cast<std::uintptr_t>(data) % kHugePage;
  const std::size_t before = beyond == 0 ? 0 : kHugePage - beyond;
  if (before != 0) ::munmap(data, before);
  if (before != spare) ::munmap(data + before + bytes, spare - before);
  return data + before;
}

std::byte* map_block(std::size_t capacity) noexcept {
  if (capacity < kHugePage) return map_pages(capacity);
  std::byte* const data = map_on_huge_page(capacity);
  if (data != nullptr) ::madvise(data, capacity, MADV_HUGEPAGE);
  return data;
}

/// Gives fresh pages their memory. One madvise is the cheapest way: a touch a page costs 1.2 times
/// as much on small pages and up to 2.3 times on huge ones.
bool populate(std::byte* data, std::size_t bytes) noexcept {
  int result;
  do {
    result = ::madvise(data, bytes, MADV_POPULATE_WRITE);
  } while (result != 0 && (errno == EINTR || errno == EAGAIN));
  if (result == 0) return true;
  if (errno != EINVAL) return false;
  for (std::size_t at = 0; at < bytes; at += page_size()) {
    *reinterpret_cast<volatile char*>(data + at) = 0;
  }
  return true;
}

}  // namespace

void Slab::reset() noexcept {
  if (data_ == nullptr) return;
  pool_->give_back({data_, populated_}, capacity_);
  pool_ = nullptr;
  data_ = nullptr;
  size_ = capacity_ = populated_ = 0;
}

SlabPool::SlabPool(std::uint64_t largest_block) noexcept
    : smallest_block_(std::max(kSmallestBlock, page_size())),
      largest_block_(static_cast<std::size_t>(
          std::clamp(std::bit_ceil(std::min(largest_block, kLargestPossible)),
                     static_cast<std::uint64_t>(smallest_block_), kLargestPossible))) {}

SlabPool::~SlabPool() {
  VAC_ASSERT(bytes_in_use() == 0);  // else a slab outlives its pool
  trim();
}

SlabPool::SizeClass& SlabPool::class_of(std::size_t capacity) noexcept {
  return classes_[static_cast<std::size_t>(std::countr_zero(capacity))];
}

/// Lends a waiting block, or reserves the place of a new one, which then has no data.
bool SlabPool::take(std::size_t capacity, Block& block) noexcept {
  MutexLock lock(mutex_);
  SizeClass& blocks = class_of(capacity);
  if (!blocks.free.empty()) {
    block = blocks.free.back();  // the last to come back is the likeliest to be in a cache
    blocks.free.pop_back();
  } else {
    if (blocks.free.capacity() == blocks.count) {
      try {
        blocks.free.reserve(std::max<std::size_t>(8, 2 * blocks.count));
      } catch (const std::bad_alloc&) {
        return false;
      }
    }
    ++blocks.count;
    mapped_ += capacity;
  }
  in_use_ += capacity;
  return true;
}

/// The end of a block that is on loan, or of a reserved place.
void SlabPool::drop(const Block& block, std::size_t capacity) noexcept {
  if (block.data != nullptr) {
    allow(block.data, block.populated);
    ::munmap(block.data, capacity);
  }
  MutexLock lock(mutex_);
  --class_of(capacity).count;
  mapped_ -= capacity;
  in_use_ -= capacity;
}

Slab SlabPool::get(std::uint64_t bytes) noexcept {
  if (bytes > largest_block_) return {};
  const auto size = static_cast<std::size_t>(bytes);
  const std::size_t capacity = std::max(smallest_block_, std::bit_ceil(size));
  Block block;
  if (!take(capacity, block)) return {};
  if (block.data == nullptr) block.data = map_block(capacity);
  if (block.data == nullptr) {
    drop(block, capacity);
    return {};
  }
  if (size > block.populated) {
    const std::size_t step = capacity < kHugePage ? page_size() : kHugePage;
    const std::size_t wanted = (size + step - 1) / step * step;
    allow(block.data + block.populated, wanted - block.populated);
    if (!populate(block.data + block.populated, wanted - block.populated)) {
      drop(block, capacity);
      return {};
    }
    block.populated = wanted;
  }
  allow(block.data, size);
  forbid(block.data + size, block.populated - size);

  Slab slab;
  slab.pool_ = this;
  slab.data_ = block.data;
  slab.size_ = size;
  slab.capacity_ = capacity;
  slab.populated_ = block.populated;
  return slab;
}

void SlabPool::give_back(const Block& block, std::size_t capacity) noexcept {
  forbid(block.data, block.populated);
  {
    MutexLock lock(mutex_);
    class_of(capacity).free.push_back(block);
    in_use_ -= capacity;
    if (mapped_ - in_use_ <= kMostWaiting) [[likely]]
      return;
  }
  bound_waiting(capacity);
}

/// The size that has just been in use goes last.
void SlabPool::bound_waiting(std::size_t spared) noexcept {
  for (std::size_t size = largest_block_; size >= smallest_block_; size /= 2) {
    while (size != spared && unmap_waiting(size, kMostWaiting)) {
    }
  }
  while (unmap_waiting(spared, kMostWaiting)) {
  }
}

/// Unmaps a waiting block. False where none of that size waits, or no more than `above` bytes do in
/// all.
bool SlabPool::unmap_waiting(std::size_t capacity, std::uint64_t above) noexcept {
  Block block;
  {
    MutexLock lock(mutex_);
    SizeClass& blocks = class_of(capacity);
    if (blocks.free.empty() || mapped_ - in_use_ <= above) return false;
    block = blocks.free.back();
    blocks.free.pop_back();
    in_use_ += capacity;  // drop() takes it off again
  }
  drop(block, capacity);
  return true;
}

void SlabPool::trim() noexcept {
  for (std::size_t size = largest_block_; size >= smallest_block_; size /= 2) {
    while (unmap_waiting(size, 0)) {
    }
  }
}

std::uint64_t SlabPool::bytes_in_use() const noexcept {
  MutexLock lock(mutex_);
  return in_use_;
}

std::uint64_t SlabPool::bytes_mapped() const noexcept {
  MutexLock lock(mutex_);
  return mapped_;
}

}  // namespace vac
