// SPDX-License-Identifier: Apache-2.0
#include "agent/reply_buffer.hpp"

#include <algorithm>
#include <new>

namespace vac::agent {
namespace {

constexpr std::size_t kArenaBytes = SlabPool::kSmallestBlock;

}  // namespace

void ReplyBuffer::clear() noexcept {
  arena_used_ = 0;
  refused_bytes_ = 0;
  blocks_.clear();
  places_.clear();
  outputs_.clear();
}

void* ReplyBuffer::memory(std::uint32_t arg, std::uint32_t child, std::uint64_t bytes) {
  for (const Place& place : places_) {
    if (place.arg == arg && place.child == child && bytes <= place.memory.size()) {
      return place.memory.data();
    }
  }
  // A result of no bytes still needs an address that is not null.
  const std::uint64_t wanted = std::max<std::uint64_t>(wire::align_up(bytes), wire::kAlignment);
  if (!arena_) arena_ = pool_.get(kArenaBytes);
  if (arena_ && wanted <= arena_.size() - arena_used_) {
    std::byte* const place = arena_.data() + arena_used_;
    arena_used_ += static_cast<std::size_t>(wanted);
    return place;
  }
  blocks_.reserve(blocks_.size() + 1);  // before the charge is made
  Block block = Block::get(pool_, *account_, wanted);
  if (!block) return nullptr;
  std::byte* const place = block.bytes().data();
  blocks_.push_back(std::move(block));
  return place;
}

void* ReplyBuffer::output(vac_call& /*call*/, std::uint32_t arg, std::uint32_t child,
                          std::uint64_t bytes, std::uint8_t type, std::uint8_t rank,
                          const std::int64_t* dims) noexcept {
  // Rounding up to whole cache lines must not wrap.
  if (rank > VAC_MAX_RANK || bytes > UINT64_MAX / 2) return nullptr;
  try {
    // The first memory may be in use.
    const bool again = std::ranges::any_of(outputs_, [&](const wire::FrameEncoder::Output& output) {
      return output.arg == arg && output.child == child;
    });
    if (again) return nullptr;
    void* const data = memory(arg, child, bytes);
    if (data == nullptr) {
      refused_bytes_ = bytes;
      return nullptr;
    }
    wire::FrameEncoder::Output& output = outputs_.emplace_back();
    output = {arg, child, data, bytes, type, rank, {}};
    if (dims != nullptr) std::copy_n(dims, rank, output.dims);
    return data;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

}  // namespace vac::agent
