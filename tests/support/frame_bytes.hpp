// SPDX-License-Identifier: Apache-2.0
// Frames as plain bytes. Who includes it links vac_wire.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "wire/codec.hpp"

namespace vac::test {

/// Memory of exactly that size which begins at a multiple of 64, so that a sanitizer sees every
/// access beside it. Moved, never copied by accident.
class AlignedBytes {
 public:
  explicit AlignedBytes(std::size_t size)
      : memory_(static_cast<std::byte*>(::operator new[](size, kAlign))), size_(size) {}
  explicit AlignedBytes(std::span<const std::byte> from) : AlignedBytes(from.size()) {
    if (!from.empty()) std::memcpy(memory_.get(), from.data(), from.size());
  }

  std::byte* data() noexcept { return memory_.get(); }
  std::size_t size() const noexcept { return size_; }
  std::span<std::byte> bytes() noexcept { return {memory_.get(), size_}; }
  operator std::span<const std::byte>() const noexcept { return {memory_.get(), size_}; }

 private:
  static constexpr std::align_val_t kAlign{wire::kAlignment};
  struct Free {
    void operator()(std::byte* memory) const noexcept { ::operator delete[](memory, kAlign); }
  };
  std::unique_ptr<std::byte[], Free> memory_;
  std::size_t size_;
};

inline void append(std::vector<std::byte>& to, std::span<const iovec> pieces) {
  for (const iovec& piece : pieces) {
    const auto* data = static_cast<const std::byte*>(piece.iov_base);
    to.insert(to.end(), data, data + piece.iov_len);
  }
}

/// The frame as a receiver has it when all of it has come: the head and the payload, which may have
/// come in data frames.
inline AlignedBytes whole_frame(wire::FrameEncoder& encoder) {
  std::vector<std::byte> bytes;
  append(bytes, encoder.frame());
  if (encoder.payload_follows()) {
    for (auto pieces = encoder.next_data_frame(); !pieces.empty();
         pieces = encoder.next_data_frame()) {
      append(bytes, pieces.subspan(1));  // without the data frame's own header
    }
  }
  return AlignedBytes(bytes);
}

}  // namespace vac::test
