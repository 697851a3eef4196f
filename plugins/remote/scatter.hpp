// SPDX-License-Identifier: Apache-2.0
// Where the payload of a reply goes: into the memory of the call that waits for it.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "wire/frame.hpp"

namespace vac::remote {

/// Pieces of memory in the order of the stream, consumed from the front, by one frame or by many.
/// Reused from reply to reply, so that in the steady state nothing is allocated. Confined to the
/// thread that leads.
class Scatter {
 public:
  Scatter() = default;
  Scatter(const Scatter&) = delete;
  Scatter& operator=(const Scatter&) = delete;

  void clear() noexcept {
    pieces_.clear();
    first_ = 0;
  }
  /// The next `bytes` of the stream go to `memory`; what pads them to 64 is dropped.
  void add(void* memory, std::uint64_t bytes);

  /// Memory for the next `bytes` of the stream, or for all that is left if that is less. Valid
  /// until the next call of any function.
  std::span<iovec> window(std::uint64_t bytes);
  /// That many bytes have been received into a window.
  void advance(std::uint64_t bytes) noexcept;
  /// Takes bytes that were received elsewhere.
  void copy(std::span<const std::byte> from) noexcept;

 private:
  std::vector<iovec> pieces_;
  std::vector<iovec> window_;
  std::size_t first_ = 0;
  std::array<std::byte, wire::kAlignment> padding_{};
};

}  // namespace vac::remote
