// SPDX-License-Identifier: Apache-2.0
// Who reads a connection: epoll, or one thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace vac::agent {

/// `generation << 2 | state`, in memory that outlives its connections: a thread may hold an event
/// of a connection that is gone and whose place serves another one; the generation tells.
/// Thread-safe.
///
/// Edge-triggered epoll is silent about bytes that it has reported, so no event may be lost: one
/// that comes while a thread reads is noted, and that thread reads again before it gives up
/// ownership.
class OwnerWord {
 public:
  /// What an event carries of the generation.
  static constexpr std::uint64_t kGenerationMask = (std::uint64_t{1} << 36) - 1;

  /// A new connection: epoll owns it. Only on a free word, by one thread. Returns its generation.
  std::uint64_t open() noexcept {
    const std::uint64_t generation =
        ((word_.load(std::memory_order_relaxed) >> kStateBits) + 1) & kGenerationMask;
    word_.store(generation << kStateBits | kArmed, std::memory_order_release);
    return generation;
  }

  /// An event has come, or a thread that ran a call wants its connection back. True: the caller is
  /// the owner now. False: the connection is gone, or its owner has been told to read again.
  bool take(std::uint64_t generation) noexcept {
    const std::uint64_t base = generation << kStateBits;
    std::uint64_t seen = base | kArmed;
    for (;;) {
      if ((seen & ~kStateMask) != base || (seen & kStateMask) == kFree ||
          (seen & kStateMask) == kOwnedEdge) {
        return false;
      }
      const bool armed = (seen & kStateMask) == kArmed;
      if (word_.compare_exchange_strong(seen, base | (armed ? kOwned : kOwnedEdge),
                                        std::memory_order_acq_rel, std::memory_order_acquire)) {
        return armed;
      }
    }
  }

  /// Owner only, when the connection had nothing more to read. False: an event came meanwhile; the
  /// caller is still the owner and reads again.
  bool give_back() noexcept {
    std::uint64_t seen = word_.load(std::memory_order_relaxed);
    const std::uint64_t base = seen & ~kStateMask;
    seen = base | kOwned;
    if (word_.compare_exchange_strong(seen, base | kArmed, std::memory_order_acq_rel,
                                      std::memory_order_acquire)) {
      return true;
    }
    // Only the owner leaves this state, so nothing can come in between.
    word_.store(base | kOwned, std::memory_order_release);
    return false;
  }

  /// Owner only: the connection has ended, events of its generation are refused from now on.
  void close() noexcept {
    word_.store((word_.load(std::memory_order_relaxed) & ~kStateMask) | kFree,
                std::memory_order_release);
  }

 private:
  static constexpr unsigned kStateBits = 2;
  static constexpr std::uint64_t kStateMask = 3;
  static constexpr std::uint64_t kFree = 0;
  static constexpr std::uint64_t kArmed = 1;      // epoll owns it
  static constexpr std::uint64_t kOwned = 2;      // one thread reads it
  static constexpr std::uint64_t kOwnedEdge = 3;  // and an event came meanwhile

  std::atomic<std::uint64_t> word_{0};
};

}  // namespace vac::agent
