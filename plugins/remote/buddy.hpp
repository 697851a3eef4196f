// SPDX-License-Identifier: Apache-2.0
// Which parts of a range are taken: numbers alone, it never sees the memory that they stand for.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace vac::remote {

/// A buddy allocator over the offsets [0, size): blocks are powers of two from kSmallestBlock to
/// the whole range, each aligned to its size. All bookkeeping is ordinary memory, taken when it is
/// made (2 KiB for each MiB of the range): nothing is in the range, where a peer could write it.
/// Nothing fails or allocates afterwards, and each operation is a walk of O(log size) steps.
/// Not thread-safe.
class Buddy {
 public:
  static constexpr std::uint64_t kSmallestBlock = std::uint64_t{4} << 10;
  static constexpr std::uint64_t kLargestRange = std::uint64_t{1} << 30;

  struct Block {
    std::uint64_t offset, bytes;
  };

  /// Whether there can be a Buddy over that many bytes: a power of two within the two limits.
  static constexpr bool manages(std::uint64_t bytes) noexcept {
    return std::has_single_bit(bytes) && bytes >= kSmallestBlock && bytes <= kLargestRange;
  }

  /// Over a free range of `bytes`, which manages() them.
  explicit Buddy(std::uint64_t bytes);

  std::uint64_t size() const noexcept { return kSmallestBlock << top_order_; }

  /// Takes the smallest block that holds `bytes`, out of the smallest free one that does, and of
  /// those the one at the lowest offset; 0 bytes are as one. Nothing when there is none.
  std::optional<std::uint64_t> allocate(std::uint64_t bytes) noexcept;
  /// Frees the block that starts at `offset`: one that allocate() gave and that is not free.
  void release(std::uint64_t offset) noexcept;
  /// The taken block in which an offset lies. Any offset may be asked for.
  std::optional<Block> find_block(std::uint64_t offset) const noexcept;
  /// Whether no block is taken.
  bool empty() const noexcept { return nodes_[kRoot] == bit(top_order_); }

 private:
  // A binary tree in an array: the children of node i are 2i and 2i + 1. The node of a block of
  // order k, kSmallestBlock << k bytes, is k levels above the leaves. Each node says which orders
  // of free blocks there are in it, a bit an order, or that it is a taken block. What nodes below a
  // free or taken block say means nothing.
  struct Place {
    std::size_t node;
    std::uint32_t order;
  };
  static constexpr std::size_t kRoot = 1;
  static constexpr std::uint32_t kTaken = std::uint32_t{1} << 31;

  static constexpr std::uint32_t bit(std::uint32_t order) noexcept {
    return std::uint32_t{1} << order;
  }
  static std::uint32_t order_for(std::uint64_t bytes) noexcept;
  Block block_at(Place place) const noexcept;
  std::optional<Place> find_place(std::uint64_t offset) const noexcept;
  void update_above(Place place) noexcept;

  std::uint32_t top_order_;
  std::vector<std::uint32_t> nodes_;
};

}  // namespace vac::remote
