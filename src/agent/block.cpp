// SPDX-License-Identifier: Apache-2.0
#include "agent/block.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <limits>

namespace vac::agent {

Block Block::get(SlabPool& pool, MemoryAccount& account, std::uint64_t bytes) noexcept {
  Block block;
  const std::uint64_t charge = std::max<std::uint64_t>(bytes, SlabPool::kSmallestBlock);
  if (bytes == 0 || bytes > std::numeric_limits<std::size_t>::max() || !account.charge(charge)) {
    return block;
  }
  block.account_ = &account;
  block.charge_ = charge;
  block.size_ = static_cast<std::size_t>(bytes);
  if (bytes <= kLargestPooled) {
    block.slab_ = pool.get(bytes);
    block.data_ = block.slab_.data();
  } else {
    void* data =
        ::mmap(nullptr, block.size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data != MAP_FAILED) {
      ::madvise(data, block.size_, MADV_HUGEPAGE);
      block.data_ = static_cast<std::byte*>(data);
    }
  }
  if (block.data_ == nullptr) {
    account.release(charge);
    block = Block();
  }
  return block;
}

void Block::reset() noexcept {
  if (data_ == nullptr) return;
  if (slab_) {
    slab_.reset();
  } else {
    ::munmap(data_, size_);
  }
  account_->release(charge_);
  account_ = nullptr;
  data_ = nullptr;
  size_ = 0;
}

}  // namespace vac::agent
