// SPDX-License-Identifier: Apache-2.0
// Where plugins put results whose size the caller did not know.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "agent/block.hpp"
#include "core/call_context.hpp"
#include "wire/codec.hpp"

namespace vac::agent {

/// The outputs of one call. Small ones lie in an arena that is kept from call to call, so that
/// nothing is allocated in the steady state; larger ones have a block each, on the tenant's
/// account. Serves one call at a time.
class ReplyBuffer final : public core::OutputSink {
 public:
  explicit ReplyBuffer(SlabPool& pool) : pool_(pool) {}
  ReplyBuffer(const ReplyBuffer&) = delete;
  ReplyBuffer& operator=(const ReplyBuffer&) = delete;

  /// Starts a call of the tenant with that account, which must live until clear().
  void begin(MemoryAccount& account) noexcept {
    clear();
    account_ = &account;
  }
  /// An output of this call that fits is to be made there; the memory must live until clear().
  void place(std::uint32_t arg, std::uint32_t child, std::span<std::byte> memory) {
    places_.push_back({arg, child, memory});
  }
  void* output(vac_call& call, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
               std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) noexcept override;

  /// What was asked for, each place once, in order.
  std::span<const wire::FrameEncoder::Output> outputs() const noexcept { return outputs_; }
  /// The size of an output of this call for which there was no room; 0 for none.
  std::uint64_t refused_bytes() const noexcept { return refused_bytes_; }
  void clear() noexcept;

 private:
  struct Place {
    std::uint32_t arg, child;
    std::span<std::byte> memory;
  };

  void* memory(std::uint32_t arg, std::uint32_t child, std::uint64_t bytes);

  SlabPool& pool_;
  MemoryAccount* account_ = nullptr;
  Slab arena_;
  std::size_t arena_used_ = 0;
  std::uint64_t refused_bytes_ = 0;
  std::vector<Place> places_;
  std::vector<Block> blocks_;
  std::vector<wire::FrameEncoder::Output> outputs_;
};

}  // namespace vac::agent
