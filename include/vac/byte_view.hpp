// SPDX-License-Identifier: Apache-2.0
// What operations take as bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <ranges>
#include <span>
#include <type_traits>

namespace vac {

/// A view of memory as bytes, made implicitly from what holds plain data in one piece: vectors,
/// arrays, spans, strings. Does not own.
class ByteView {
 public:
  ByteView() = default;
  template <std::ranges::contiguous_range R>
    requires(std::ranges::sized_range<R> &&
             std::is_trivially_copyable_v<std::ranges::range_value_t<R>> &&
             !std::is_same_v<std::remove_cvref_t<R>, ByteView>)
  ByteView(const R& range) noexcept : bytes_(std::as_bytes(std::span(range))) {}
  ByteView(const void* data, std::size_t bytes) noexcept
      : bytes_(static_cast<const std::byte*>(data), bytes) {}

  const std::byte* data() const noexcept { return bytes_.data(); }
  std::size_t size() const noexcept { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace vac
