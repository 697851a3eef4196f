// SPDX-License-Identifier: Apache-2.0
// Memory that the agent shares with one client (docs/protocol.md, "Shared regions").
#pragma once

#include <vac/result.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "agent/memory_account.hpp"
#include "base/fd.hpp"
#include "base/mutex.hpp"
#include "wire/regions.hpp"

namespace vac::agent {

class Tenant;

/// One region, mapped here and in the client: the client writes to it whenever it likes. Charged to
/// its tenant at full size, and at least kLeastCharge, from create() to the destructor, which runs
/// when neither the connection nor a call has it any more. Thread-safe.
class Region {
 public:
  static constexpr std::size_t kProofBytes = 16;
  /// A process has some ten thousand mappings, which no tenant may have for itself.
  static constexpr std::uint64_t kLeastCharge = std::uint64_t{1} << 20;

  /// So many bytes, in whole pages, zero but for a proof at their start. What the descriptor stands
  /// for can neither shrink nor grow. VAC_ENOSPC: the tenant's limit; VAC_ENOMEM: the machine's.
  static Result<std::shared_ptr<Region>> create(Tenant& tenant, std::uint64_t bytes);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
  /// The descriptor to be sent to the client, once; nobody else needs it.
  Fd take_descriptor() noexcept { return std::move(descriptor_); }
  /// Whether these are the bytes that were at the region's start: who knows them has mapped it.
  bool proves(std::span<const std::byte> proof) const noexcept;

  /// Once proven calls may name it.
  void open() noexcept { open_.store(true, std::memory_order_release); }
  bool is_open() const noexcept { return open_.load(std::memory_order_acquire); }
  /// It never will be: the client has something else mapped.
  void refuse() noexcept { refused_.store(true, std::memory_order_relaxed); }
  bool is_refused() const noexcept { return refused_.load(std::memory_order_relaxed); }
  /// The client wants it no more: the system gets the memory back at the end, whoever still has it
  /// mapped.
  void forget() noexcept { forgotten_.store(true, std::memory_order_relaxed); }

 private:
  explicit Region(MemoryAccount& account) noexcept : account_(account) {}
  Status make(std::uint64_t bytes);

  MemoryAccount& account_;
  Fd descriptor_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::uint64_t charge_ = 0;
  std::array<std::byte, kProofBytes> proof_{};
  std::atomic<bool> open_{false}, refused_{false}, forgotten_{false};
};

/// The regions of one connection. Thread-safe.
class RegionTable {
 public:
  RegionTable() = default;
  RegionTable(const RegionTable&) = delete;
  RegionTable& operator=(const RegionTable&) = delete;

  /// Its number, 1 to 15. VAC_EMFILE: all are taken.
  Result<std::uint32_t> add(std::shared_ptr<Region> region) VAC_EXCLUDES(mutex_);
  /// Open or not; null: there is none of that number.
  std::shared_ptr<Region> find(std::uint32_t id) const VAC_EXCLUDES(mutex_);
  /// The calls that have it keep it. Null: there is none of that number.
  std::shared_ptr<Region> remove(std::uint32_t id) VAC_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::array<std::shared_ptr<Region>, wire::kMostRegions> regions_ VAC_GUARDED_BY(mutex_);
};

/// The one way of bytes between shared memory and private, and how often it was taken.
class SharedCopies {
 public:
  /// An input of a call, out of a region.
  void in(std::byte* to, std::span<const std::byte> from) noexcept { copy(to, from, inputs_); }
  /// A result, into one.
  void out(std::byte* to, std::span<const std::byte> from) noexcept { copy(to, from, results_); }

  std::uint64_t inputs() const noexcept { return inputs_.load(std::memory_order_relaxed); }
  std::uint64_t results() const noexcept { return results_.load(std::memory_order_relaxed); }

 private:
  static void copy(std::byte* to, std::span<const std::byte> from,
                   std::atomic<std::uint64_t>& count) noexcept;

  std::atomic<std::uint64_t> inputs_{0}, results_{0};
};

}  // namespace vac::agent
