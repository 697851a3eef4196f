// SPDX-License-Identifier: Apache-2.0
// Memory that notices when somebody writes beside it.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

namespace vac::plugin_check {

/// A piece of memory between two guards of known bytes. Moved, never copied: its address stays.
class GuardedMemory {
 public:
  static constexpr std::size_t kGuardBytes = 64;

  /// `alignment` is a power of two up to 64, and not more than that: code that relies on more is
  /// found out. Zeroed. Throws std::bad_alloc.
  GuardedMemory(std::size_t bytes, std::size_t alignment);
  /// The same, with a copy of `content`.
  GuardedMemory(std::span<const std::byte> content, std::size_t alignment);

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::span<const std::byte> content() const noexcept { return {data_, size_}; }
  /// Where a guard was written to first, counted from data(): negative before it, from size() on
  /// behind it. Nothing where both guards are whole.
  std::optional<std::ptrdiff_t> breach() const noexcept;

 private:
  struct Free {
    void operator()(std::byte* memory) const noexcept;
  };
  std::unique_ptr<std::byte, Free> whole_;
  std::byte* data_;
  std::size_t size_;
};

}  // namespace vac::plugin_check
