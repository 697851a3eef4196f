// SPDX-License-Identifier: Apache-2.0
// Shared regions as frames speak of them: memory that both sides have mapped, so that a payload
// need not be sent (docs/protocol.md, "Shared regions").
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace vac::wire {

/// A connection has at most so many; their ids are 1 to 15.
inline constexpr std::uint32_t kMostRegions = 15;

enum class RegionKind : std::uint32_t { memfd = 1, pmem = 2, ivshmem = 3 };
/// In the mask of kinds that hello carries.
constexpr std::uint32_t region_bit(RegionKind kind) noexcept {
  return std::uint32_t{1} << (static_cast<std::uint32_t>(kind) - 1);
}

constexpr bool names_region(std::uint32_t where) noexcept {
  return where != VAC_WHERE_INLINE && where <= kMostRegions;
}

/// A part of a region.
struct RegionPart {
  std::uint32_t region = 0;
  std::uint64_t offset = 0;
};

/// The caller's regions, for who encodes its calls.
class RegionMap {
 public:
  /// Where that memory of the call lies, if all of it is in a region: it stays in use until the
  /// call is over.
  virtual std::optional<RegionPart> find(const void* data, std::uint64_t bytes) = 0;

 protected:
  ~RegionMap() = default;
};

/// A record of a call whose result is to be left in a region.
struct RegionResult {
  std::uint32_t record;      ///< index into the call's records
  std::uint32_t arg, child;  ///< the same by the operation's table
  std::uint64_t capacity;
  RegionPart part;
};

/// The callee's regions, for who decodes calls.
class RegionReader {
 public:
  /// Its size; 0: no region of that number is open.
  virtual std::uint64_t size(std::uint32_t region) = 0;
  /// The memory that the call has for an input (or inout) of that many bytes, which lie inside the
  /// region. `checked`: its content is about to be checked, and must not be the peer's to change.
  /// nullptr: there is no memory for it.
  virtual std::byte* input(const RegionPart& part, std::uint64_t bytes, bool checked) = 0;
  /// Of an out or inout record, which lies inside its region.
  virtual void result(const RegionResult& place) = 0;

 protected:
  ~RegionReader() = default;
};

}  // namespace vac::wire
