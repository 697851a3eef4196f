// SPDX-License-Identifier: Apache-2.0
// Memory for payloads that is mapped once, populated and recycled: a first touch of fresh pages
// costs more than the transport does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "base/mutex.hpp"

namespace vac {

class SlabPool;

/// A block on loan from a SlabPool, given back by the destructor. The pool must outlive it.
/// Confined to its owner; it may be moved to and die in any thread.
class Slab {
 public:
  Slab() noexcept = default;
  Slab(Slab&& other) noexcept { swap(other); }
  Slab& operator=(Slab&& other) noexcept {
    Slab taken(std::move(other));
    swap(taken);
    return *this;
  }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;
  ~Slab() { reset(); }

  /// False for a default-made slab and where the pool had no memory.
  explicit operator bool() const noexcept { return data_ != nullptr; }

  /// Starts on a page. The content is what the last user left there: never hand out unwritten
  /// bytes.
  std::byte* data() const noexcept { return data_; }
  /// As asked for; only these bytes may be used.
  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
  /// The block's size, by which bytes_in_use() counts it.
  std::size_t capacity() const noexcept { return capacity_; }

  /// Gives the block back now; the slab is empty afterwards.
  void reset() noexcept;

  void swap(Slab& other) noexcept {
    std::swap(pool_, other.pool_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    std::swap(populated_, other.populated_);
  }

 private:
  friend class SlabPool;

  SlabPool* pool_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  std::size_t populated_ = 0;
};

/// Blocks in powers of two from 32 KiB, each its own mapping, on huge pages from 2 MiB. A block
/// that comes back waits for the next get() of its size, until trim(), or until more than
/// kMostWaiting waits: then blocks of other sizes go first.
/// Pages are populated as far as they are asked for, before get() returns: once a pool has seen its
/// load, get() and the return of a slab make no system call and the memory causes no page fault.
/// Thread-safe; slow work is done outside the lock.
class SlabPool {
 public:
  static constexpr std::size_t kSmallestBlock = std::size_t{32} << 10;
  static constexpr std::uint64_t kDefaultLargest = std::uint64_t{1} << 30;
  static constexpr std::uint64_t kMostWaiting = std::uint64_t{256} << 20;

  /// `largest_block` is rounded up to a power of two, and down to what the machine can address.
  explicit SlabPool(std::uint64_t largest_block = kDefaultLargest) noexcept;
  SlabPool(const SlabPool&) = delete;
  SlabPool& operator=(const SlabPool&) = delete;
  /// Every slab must have come back.
  ~SlabPool();

  /// A slab of `bytes`, or an empty one if that is more than the largest block or memory is short.
  Slab get(std::uint64_t bytes) noexcept VAC_EXCLUDES(mutex_);

  /// Unmaps what waits in the pool.
  void trim() noexcept VAC_EXCLUDES(mutex_);

  std::uint64_t largest_block() const noexcept { return largest_block_; }
  /// The blocks on loan.
  std::uint64_t bytes_in_use() const noexcept VAC_EXCLUDES(mutex_);
  /// All blocks, on loan or waiting.
  std::uint64_t bytes_mapped() const noexcept VAC_EXCLUDES(mutex_);

 private:
  friend class Slab;

  struct Block {
    std::byte* data = nullptr;
    std::size_t populated = 0;
  };
  struct SizeClass {
    std::vector<Block> free;  // has room for every block of this size: coming back cannot fail
    std::size_t count = 0;    // blocks of this size, on loan or waiting
  };
  static constexpr std::uint64_t kLargestPossible = std::uint64_t{1}
                                                    << (sizeof(std::size_t) == 8 ? 40 : 30);
  static constexpr std::size_t kClasses = 41;

  SizeClass& class_of(std::size_t capacity) noexcept VAC_REQUIRES(mutex_);
  bool take(std::size_t capacity, Block& block) noexcept VAC_EXCLUDES(mutex_);
  void drop(const Block& block, std::size_t capacity) noexcept VAC_EXCLUDES(mutex_);
  void give_back(const Block& block, std::size_t capacity) noexcept VAC_EXCLUDES(mutex_);
  void bound_waiting(std::size_t spared) noexcept VAC_EXCLUDES(mutex_);
  bool unmap_waiting(std::size_t capacity, std::uint64_t above) noexcept VAC_EXCLUDES(mutex_);

  std::size_t smallest_block_;  // one page at least
  std::size_t largest_block_;
  mutable Mutex mutex_;
  std::array<SizeClass, kClasses> classes_ VAC_GUARDED_BY(mutex_);  // by log2(size)
  std::uint64_t in_use_ VAC_GUARDED_BY(mutex_) = 0;
  std::uint64_t mapped_ VAC_GUARDED_BY(mutex_) = 0;
};

}  // namespace vac
