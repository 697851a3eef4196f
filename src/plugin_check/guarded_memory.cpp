// SPDX-License-Identifier: Apache-2.0
#include "plugin_check/guarded_memory.hpp"

#include <algorithm>
#include <new>

namespace vac::plugin_check {
namespace {

constexpr std::align_val_t kAlignment{64};

/// Differs from byte to byte, so that a shifted copy of a guard is seen as well.
std::byte guard_byte(std::size_t i) noexcept {
  return static_cast<std::byte>((0xa5U + 37U * i) & 0xffU);
}

}  // namespace

void GuardedMemory::Free::operator()(std::byte* memory) const noexcept {
  ::operator delete(memory, kAlignment);
}

GuardedMemory::GuardedMemory(std::size_t bytes, std::size_t alignment) : size_(bytes) {
  // At 64 + alignment: aligned to that, and to no more.
  const std::size_t front = kGuardBytes + (alignment == kGuardBytes ? 0 : alignment);
  whole_.reset(static_cast<std::byte*>(::operator new(front + bytes + kGuardBytes, kAlignment)));
  data_ = whole_.get() + front;
  for (std::size_t i = 0; i < front; ++i) whole_.get()[i] = guard_byte(i);
  std::fill_n(data_, bytes, std::byte{0});
  for (std::size_t i = 0; i < kGuardBytes; ++i) data_[bytes + i] = guard_byte(i);
}

GuardedMemory::GuardedMemory(std::span<const std::byte> content, std::size_t alignment)
    : GuardedMemory(content.size(), alignment) {
  std::ranges::copy(content, data_);
}

std::optional<std::ptrdiff_t> GuardedMemory::breach() const noexcept {
  const auto front = data_ - whole_.get();
  for (std::ptrdiff_t i = 0; i < front; ++i) {
    if (whole_.get()[i] != guard_byte(static_cast<std::size_t>(i))) return i - front;
  }
  for (std::size_t i = 0; i < kGuardBytes; ++i) {
    if (data_[size_ + i] != guard_byte(i)) return static_cast<std::ptrdiff_t>(size_ + i);
  }
  return std::nullopt;
}

}  // namespace vac::plugin_check
