// SPDX-License-Identifier: Apache-2.0
// How much memory a tenant's calls hold at the moment.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace vac::agent {

/// A sum that never exceeds its limit. Thread-safe.
class MemoryAccount {
 public:
  explicit MemoryAccount(std::uint64_t limit) noexcept : limit_(limit) {}
  MemoryAccount(const MemoryAccount&) = delete;
  MemoryAccount& operator=(const MemoryAccount&) = delete;

  /// False where the limit would be passed; nothing is charged then.
  bool charge(std::uint64_t bytes) noexcept {
    std::uint64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  void release(std::uint64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  std::uint64_t limit() const noexcept { return limit_; }

 private:
  const std::uint64_t limit_;
  std::atomic<std::uint64_t> used_{0};
};

}  // namespace vac::agent
