// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace vac::remote {

/// Memory that this process and the agent both have mapped, by the number that the wire knows it
/// by. Unmaps it. The agent may write there at any time: nothing but payloads belongs in it.
/// Thread-safe: it never changes.
class MappedRegion {
 public:
  /// Becomes the owner of a mapping that mmap() has made; `base` and `bytes` are multiples of a
  /// page. `id`: what region_open has answered.
  MappedRegion(std::byte* base, std::uint64_t bytes, std::uint32_t id) noexcept
      : base_(base), bytes_(bytes), id_(id) {}
  MappedRegion(const MappedRegion&) = delete;
  MappedRegion& operator=(const MappedRegion&) = delete;
  ~MappedRegion();

  std::byte* base() const noexcept { return base_; }
  std::uint64_t bytes() const noexcept { return bytes_; }
  std::uint32_t id() const noexcept { return id_; }

 private:
  std::byte* const base_;
  const std::uint64_t bytes_;
  const std::uint32_t id_;
};

}  // namespace vac::remote
