// SPDX-License-Identifier: Apache-2.0
#include "scatter.hpp"

#include <algorithm>
#include <cstring>

namespace vac::remote {

void Scatter::add(void* memory, std::uint64_t bytes) {
  if (bytes == 0) return;
  pieces_.push_back({memory, static_cast<std::size_t>(bytes)});
  const std::uint64_t padding = wire::align_up(bytes) - bytes;
  if (padding != 0) pieces_.push_back({padding_.data(), static_cast<std::size_t>(padding)});
}

std::span<iovec> Scatter::window(std::uint64_t bytes) {
  window_.clear();
  for (std::size_t i = first_; i < pieces_.size() && bytes != 0; ++i) {
    iovec piece = pieces_[i];
    piece.iov_len = static_cast<std::size_t>(std::min<std::uint64_t>(piece.iov_len, bytes));
    bytes -= piece.iov_len;
    window_.push_back(piece);
  }
  return window_;
}

void Scatter::advance(std::uint64_t bytes) noexcept {
  while (bytes != 0 && first_ < pieces_.size()) {
    iovec& piece = pieces_[first_];
    const auto taken = static_cast<std::size_t>(std::min<std::uint64_t>(piece.iov_len, bytes));
    piece.iov_base = static_cast<std::byte*>(piece.iov_base) + taken;
    piece.iov_len -= taken;
    bytes -= taken;
    if (piece.iov_len == 0) ++first_;
  }
}

void Scatter::copy(std::span<const std::byte> from) noexcept {
  while (!from.empty() && first_ < pieces_.size()) {
    const iovec piece = pieces_[first_];
    const std::size_t bytes = std::min(piece.iov_len, from.size());
    std::memcpy(piece.iov_base, from.data(), bytes);
    from = from.subspan(bytes);
    advance(bytes);
  }
}

}  // namespace vac::remote
