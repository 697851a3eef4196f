// SPDX-License-Identifier: Apache-2.0
// Runs the threads of a test one at a time, in an order that a seed decides, on a clock that only
// waiting moves: whatever happens can be had again by its seed. The code under test is the
// product's, unchanged; the linker sends what it asks of the system here (wrapped.cpp).
#pragma once

#include <semaphore.h>

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "support/random.hpp"

namespace vac::simulation {

/// One at a time in a process. Its threads are the one that makes it and those that they start.
/// Threads of it call it; only the one that runs touches its state.
class Scheduler {
 public:
  /// How the system misbehaves.
  struct Weather {
    std::uint64_t switches = 8;        ///< one in so many steps goes on with another thread
    std::uint64_t short_sends = 8;     ///< one in so many sends takes less than it could
    std::uint64_t interruptions = 64;  ///< one in so many waits ends by a signal
    std::uint64_t stalls = 512;        ///< one in so many steps takes up to 10 ms
    int socket_buffer_bytes = 1 << 20;
  };
  enum class Woken : std::uint8_t { notified, timed_out, interrupted };
  static constexpr std::int64_t kForever = 0;

  Scheduler(std::uint64_t seed, const Weather& weather);
  /// The only thread that is left.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// That of the calling thread; nullptr outside of simulation.
  static Scheduler* current() noexcept;

  /// Virtual CLOCK_MONOTONIC.
  std::int64_t now_ns() const noexcept { return now_ns_; }
  test::Random& random() noexcept { return random_; }
  const Weather& weather() const noexcept { return weather_; }
  /// A hash of every decision so far.
  std::uint64_t history() const noexcept { return history_; }
  std::uint64_t steps() const noexcept { return steps_; }

  /// With VAC_TRACE set: a line on stderr with the time in us and the thread.
  void trace(const char* call, int fd, long result) const;

  /// Another thread may go on here.
  void step();
  /// Waits for notify() of the same address, at most until the deadline. `interruptible`: the
  /// weather may end it.
  Woken wait(const void* address, std::int64_t deadline_ns, bool interruptible = false);
  /// Wakes some of those who wait, whichever; returns how many.
  unsigned notify(const void* address, unsigned most);

  /// Waits until some descriptor may have changed.
  Woken wait_for_descriptors(std::int64_t deadline_ns, bool interruptible = false);
  /// Some descriptor may have changed.
  void touch() noexcept { ++descriptor_epoch_; }
  void set_timer(int fd, std::int64_t first_ns, std::int64_t interval_ns);
  void set_receive_timeout(int fd, std::int64_t timeout_ns) { receive_timeouts_[fd] = timeout_ns; }
  /// 0: none.
  std::int64_t receive_timeout(int fd) const;
  void forget(int fd);

  // Threads.
  struct Thread;
  Thread* add_thread();
  /// The first and the last that a new thread does.
  void enter(Thread* thread);
  void leave();
  void wait_for_end(const Thread* thread);

 private:
  struct Timer {
    std::int64_t next_ns, interval_ns;
  };

  void record(std::uint64_t decision) noexcept;
  Woken suspend(Thread& self);
  void pass_on(Thread& self);
  Thread* choose();
  void wake_late() noexcept;
  bool advance_to_next_deadline();
  void fire_timers();
  [[noreturn]] void report_deadlock() const;

  const std::uint64_t seed_;
  const Weather weather_;
  test::Random random_;
  std::int64_t now_ns_;
  std::uint64_t history_ = 0, steps_ = 0, descriptor_epoch_ = 1;
  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Thread*> candidates_;
  std::map<int, Timer> timers_;
  std::map<int, std::int64_t> receive_timeouts_;
};

}  // namespace vac::simulation
