// SPDX-License-Identifier: Apache-2.0
// Memory for one request or one result, on its tenant's account.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "agent/memory_account.hpp"
#include "base/slab_pool.hpp"

namespace vac::agent {

/// Owns its bytes, 64-aligned, and the charge for them, which is the pool's smallest block at
/// least. Moderate sizes come from the pool; what is larger is mapped for the purpose and gets its
/// pages as they are written, so that announcing a large request costs nothing yet. Confined to its
/// owner; may be moved to another thread.
class Block {
 public:
  static constexpr std::uint64_t kLargestPooled = std::uint64_t{64} << 20;

  Block() noexcept = default;
  Block(Block&& other) noexcept { swap(other); }
  Block& operator=(Block&& other) noexcept {
    Block taken(std::move(other));
    swap(taken);
    return *this;
  }
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;
  ~Block() { reset(); }

  /// Empty where the account or the machine has no room. Pool and account must outlive the block.
  static Block get(SlabPool& pool, MemoryAccount& account, std::uint64_t bytes) noexcept;

  explicit operator bool() const noexcept { return data_ != nullptr; }
  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
  void reset() noexcept;

 private:
  void swap(Block& other) noexcept {
    slab_.swap(other.slab_);
    std::swap(account_, other.account_);
    std::swap(charge_, other.charge_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  Slab slab_;  // empty: mapped by this block itself
  MemoryAccount* account_ = nullptr;
  std::uint64_t charge_ = 0;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace vac::agent
