// SPDX-License-Identifier: Apache-2.0
// Buffers in the regions that one connection shares with its agent: who holds which block, and
// which calls use it. State alone: asking the agent for a region is the connection's work.
#pragma once

#include <vac/result.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/mutex.hpp"
#include "mapped_region.hpp"
#include "wire/regions.hpp"

namespace vac::remote {

class RegionBuffer;

/// The regions of one connection, and the blocks in them. A block is free, then held by a
/// RegionBuffer, then also busy with any number of calls, each of which has a Pin on it. It is free
/// again when its buffer is gone and no pin is left: the agent may write into it until then.
/// Owned by the connection and by each of its buffers, since a buffer may outlive its connection.
/// Thread-safe. Nothing waits but for its mutex, which is never held over a system call.
class Arena : public std::enable_shared_from_this<Arena> {
 public:
  static constexpr std::uint64_t kFirstRegionBytes = std::uint64_t{2} << 20;
  static constexpr std::uint64_t kLargestRegionBytes = std::uint64_t{64} << 20;
  static constexpr std::uint32_t kMostRegions = wire::kMostRegions;

  /// Where bytes are.
  using Location = wire::RegionPart;

  /// That a call uses a block. A value: copies are the same pin, to be ended once.
  class Pin {
   public:
    /// False for a default-made one.
    explicit operator bool() const noexcept { return region_ != kMostRegions; }

   private:
    friend class Arena;
    std::uint32_t region_ = kMostRegions;  // the place in regions_
    std::uint32_t page_ = 0;               // the first of the block
  };

  /// What there is now, for tests and reports.
  struct Usage {
    std::uint32_t regions;       // that are mapped
    std::uint64_t bytes_mapped;  // in all of them
    std::uint64_t blocks_held;   // whose buffer is there
    std::uint64_t blocks_busy;   // with a pin, held or not
  };

  static std::shared_ptr<Arena> create();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  /// Unmaps all regions.
  ~Arena();

  /// Takes a region that both sides are ready to use. Without effect after orphan(). VAC_EPROTO:
  /// its id or size is one that no agent may grant; the text goes on from "the agent broke the
  /// protocol: ".
  Status add(std::unique_ptr<MappedRegion> region) VAC_EXCLUDES(mutex_);

  /// A buffer of `bytes` in the first region that has room; nullptr where none has, or after
  /// orphan(). It may contain what an earlier holder in this process has left there, and the
  /// agent's mark at the start of a new region: the caller zeroes what it hands out.
  std::unique_ptr<RegionBuffer> allocate(std::uint64_t bytes) VAC_EXCLUDES(mutex_);

  /// How large a region to ask the agent for, where allocate(bytes) has found no room: 2 MiB at
  /// first, then twice the largest that there is, up to 64 MiB, and more where the request needs
  /// it. Nothing: the buffer will have to be ordinary memory, because it is larger than the largest
  /// region, there are 15 already, or growth has ended. Two threads that ask at once get the same
  /// answer: who asks the agent does so alone, and tries allocate() again before.
  std::optional<std::uint64_t> next_region_bytes(std::uint64_t bytes) const noexcept
      VAC_EXCLUDES(mutex_);
  /// Whether several regions are empty, so that take_surplus() has something, now or soon. A guess,
  /// which costs no lock.
  bool has_surplus() const noexcept { return surplus_.load(std::memory_order_relaxed); }
  /// Takes out the regions in which no block was taken for `idle_ns`, as far as the calls of this
  /// function saw, but for the largest empty one, which stays for the next buffer: so one who needs
  /// much memory once does not keep it, and one who needs it again and again does not ask again.
  /// They go back to the agent, unmapped. `now_ns`: of a clock that never goes back.
  std::vector<std::unique_ptr<MappedRegion>> take_surplus(std::int64_t now_ns, std::int64_t idle_ns)
      VAC_EXCLUDES(mutex_);

  /// There will be no more regions: the agent has refused one, or grants none.
  void close_growth() noexcept VAC_EXCLUDES(mutex_);

  /// Where [data, data + bytes) is, if all of it is in one block that a buffer holds. Nothing for
  /// other memory, which costs no lock, for 0 bytes, and after orphan(). Any pointer may be asked
  /// for.
  std::optional<Location> locate(const void* data, std::uint64_t bytes) const noexcept
      VAC_EXCLUDES(mutex_);
  /// The same, and the block is busy until unpin(), once more than it was. `pin` stays as it is
  /// where nothing is found.
  std::optional<Location> pin(const void* data, std::uint64_t bytes, Pin& pin) noexcept
      VAC_EXCLUDES(mutex_);
  /// The call is done: at its reply, not when its caller has given up. Without effect for a
  /// default-made pin, and after orphan().
  void unpin(Pin pin) noexcept VAC_EXCLUDES(mutex_);

  /// The connection has ended, and nobody receives from it any more. All pins end. Buffers stay
  /// valid memory, but are not found any more; a region is unmapped as soon as no buffer is in it.
  void orphan() noexcept VAC_EXCLUDES(mutex_);

  Usage usage() const noexcept VAC_EXCLUDES(mutex_);

 private:
  friend class RegionBuffer;

  struct Region;
  struct Found {
    Location location;
    Pin block;
  };
  /// Where a region is, readable without the mutex: what it says must be looked at again with it.
  struct Range {
    std::atomic<std::uintptr_t> begin{0};
    std::atomic<std::uintptr_t> end{0};
  };

  Arena();
  std::uint32_t find_range(std::uintptr_t address) const noexcept;
  std::optional<Found> find_in(std::uint32_t index, std::uintptr_t address,
                               std::uint64_t bytes) const noexcept VAC_REQUIRES(mutex_);
  void release(Pin block) noexcept VAC_EXCLUDES(mutex_);
  std::unique_ptr<Region> take_if_unused(std::uint32_t index) noexcept VAC_REQUIRES(mutex_);
  void free_block(Pin block) noexcept VAC_REQUIRES(mutex_);
  std::uint32_t largest_empty() const noexcept VAC_REQUIRES(mutex_);
  void set_range(std::uint32_t index, std::uintptr_t begin, std::uint64_t bytes) noexcept
      VAC_REQUIRES(mutex_);

  std::array<Range, kMostRegions> ranges_;
  std::atomic<std::uint32_t> range_count_{0};  // how many of them are in use for calls

  mutable Mutex mutex_;
  std::array<std::unique_ptr<Region>, kMostRegions> regions_ VAC_GUARDED_BY(mutex_);
  std::atomic<bool> surplus_{false};
  std::uint64_t held_ VAC_GUARDED_BY(mutex_) = 0;
  std::uint64_t busy_ VAC_GUARDED_BY(mutex_) = 0;
  bool growth_closed_ VAC_GUARDED_BY(mutex_) = false;
  bool orphaned_ VAC_GUARDED_BY(mutex_) = false;
};

/// Memory in a region, from Arena::allocate(); the destructor frees it, in any thread and at any
/// time: a call that still uses it keeps the block from being given out again.
/// Thread-safe: it never changes. Access to the memory is the owner's to order.
class RegionBuffer {
 public:
  RegionBuffer(const RegionBuffer&) = delete;
  RegionBuffer& operator=(const RegionBuffer&) = delete;
  ~RegionBuffer();

  /// Starts on a multiple of 4 KiB. Valid as long as the buffer, whatever becomes of the
  /// connection.
  std::byte* data() const noexcept { return data_; }
  /// As asked for.
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  friend class Arena;
  RegionBuffer() = default;

  std::shared_ptr<Arena> arena_;  // nullptr: no block is held yet
  Arena::Pin block_;
  std::byte* data_ = nullptr;
  std::uint64_t bytes_ = 0;
};

}  // namespace vac::remote
