// SPDX-License-Identifier: Apache-2.0
// How long the calls of a connection took in the agent.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace vac::agent {

/// Of one call, in nanoseconds: waiting to be started, in the plugin, and from its header to its
/// reply, which is all of it.
struct CallTime {
  std::int64_t queue, plugin, agent;
};

/// Sums over calls. Thread-safe; a call that ends at the same time may be in one sum and not yet in
/// another.
class CallTimes {
 public:
  struct Sums {
    std::uint64_t calls, queue_ns, plugin_ns, agent_ns;
  };

  /// A call that ran where it was read: only by the owner of the connection's input.
  void add_at_once(const CallTime& time) noexcept {
    const Figures more = figures(time);
    for (std::size_t i = 0; i < kFigures; ++i) {
      // One thread at a time writes it: no need to lock the bus for that.
      at_once_[i].store(at_once_[i].load(std::memory_order_relaxed) + more[i],
                        std::memory_order_relaxed);
    }
  }
  /// Any other, by any thread.
  void add(const CallTime& time) noexcept {
    const Figures more = figures(time);
    for (std::size_t i = 0; i < kFigures; ++i) {
      later_[i].fetch_add(more[i], std::memory_order_relaxed);
    }
  }

  /// A call that has run together with others. Any thread.
  void add_batched() noexcept { batched_.fetch_add(1, std::memory_order_relaxed); }
  std::uint64_t batched() const noexcept { return batched_.load(std::memory_order_relaxed); }

  Sums sums() const noexcept {
    Figures all{};
    for (std::size_t i = 0; i < kFigures; ++i) {
      all[i] =
          at_once_[i].load(std::memory_order_relaxed) + later_[i].load(std::memory_order_relaxed);
    }
    return {all[0], all[1], all[2], all[3]};
  }

 private:
  static constexpr std::size_t kFigures = 4;
  using Figures = std::array<std::uint64_t, kFigures>;

  static Figures figures(const CallTime& time) noexcept {
    return {1, static_cast<std::uint64_t>(time.queue), static_cast<std::uint64_t>(time.plugin),
            static_cast<std::uint64_t>(time.agent)};
  }

  std::array<std::atomic<std::uint64_t>, kFigures> at_once_{}, later_{};
  std::atomic<std::uint64_t> batched_{0};
};

}  // namespace vac::agent
