// SPDX-License-Identifier: Apache-2.0
// What only time brings about: late clients are dropped, idle memory goes back.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "agent/clock.hpp"
#include "base/mutex.hpp"

namespace vac {
class SlabPool;
}
namespace vac::core {
class Runtime;
}

namespace vac::agent {

class ConnectionTable;
class Crew;
class Poller;
class TaskPool;

/// Owns the poller's timer, which runs only while there is something to look after: an agent that
/// is idle for long does not wake up. Thread-safe.
class Housekeeping {
 public:
  /// After so much time without a call, pools and the heap give their free memory back.
  static constexpr std::int64_t kIdleNs = 10'000'000'000;

  struct Parts {
    Poller& poller;
    ConnectionTable& connections;
    Crew& crew;
    SlabPool& slabs;
    TaskPool& tasks;
    core::Runtime& runtime;
  };
  /// `idle_unload`: how long the runtime keeps what nobody uses.
  Housekeeping(const Parts& parts, std::chrono::milliseconds idle_unload)
      : parts_(parts), idle_unload_ns_(idle_unload.count() * 1'000'000), trimmed_ns_(now_ns()) {}

  /// Some connection must be looked at soon: ticks are frequent until none must.
  void watch_time() VAC_EXCLUDES(mutex_) { raise(Pace::fast); }
  /// There is traffic: ticks go on, if slowly, until it has been over for long.
  void watch_idleness() VAC_EXCLUDES(mutex_) {
    if (pace_.load(std::memory_order_relaxed) == Pace::off) raise(Pace::slow);
  }

  /// A tick of the timer: looks at all connections. True when trim() is due.
  bool tick(std::int64_t now_ns) VAC_EXCLUDES(mutex_);
  /// Gives memory back and unloads what is idle; may take long.
  void trim(std::int64_t now_ns) VAC_EXCLUDES(mutex_);

 private:
  enum class Pace : std::uint8_t { off, slow, fast };

  void raise(Pace pace) VAC_EXCLUDES(mutex_);
  void set_pace(Pace pace) VAC_REQUIRES(mutex_);

  const Parts parts_;
  const std::int64_t idle_unload_ns_;
  std::atomic<Pace> pace_{Pace::off};  // changed under mutex_
  Mutex mutex_;
  bool raised_ VAC_GUARDED_BY(mutex_) = false;  // since the last tick began
  std::uint64_t activity_ VAC_GUARDED_BY(mutex_) = 0;
  std::int64_t active_ns_ VAC_GUARDED_BY(mutex_) = 0;
  std::int64_t trimmed_ns_ VAC_GUARDED_BY(mutex_);
  bool memory_trimmed_ VAC_GUARDED_BY(mutex_) = true;
};

}  // namespace vac::agent
