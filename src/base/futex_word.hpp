// SPDX-License-Identifier: Apache-2.0
// One 32-bit word that threads of this process wait on: a call's state, a sleeper's ticket.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <optional>

namespace vac {

/// Why FutexWord::wait() returned.
enum class FutexWait : std::uint8_t {
  woken,        // somebody woke the word, or nobody did: look at it
  changed,      // it did not hold the expected value any more
  timed_out,    // the deadline has come
  interrupted,  // a signal handler ran (EINTR)
};

/// A word for FUTEX_WAIT_BITSET and FUTEX_WAKE, private to the process. What one thread wrote
/// before store() is seen by another after a load() that returned the stored value; wait() itself
/// orders nothing, so every waiter loads again. Thread-safe.
class FutexWord {
 public:
  explicit FutexWord(std::uint32_t value = 0) noexcept : value_(value) {}
  FutexWord(const FutexWord&) = delete;
  FutexWord& operator=(const FutexWord&) = delete;

  std::uint32_t load() const noexcept { return value_.load(std::memory_order_acquire); }
  void store(std::uint32_t value) noexcept { value_.store(value, std::memory_order_release); }
  std::uint32_t exchange(std::uint32_t value) noexcept {
    return value_.exchange(value, std::memory_order_acq_rel);
  }
  std::uint32_t fetch_add(std::uint32_t amount) noexcept {
    return value_.fetch_add(amount, std::memory_order_acq_rel);
  }
  /// On failure `expected` becomes what the word holds. Never fails spuriously.
  bool compare_exchange(std::uint32_t& expected, std::uint32_t value) noexcept {
    return value_.compare_exchange_strong(expected, value, std::memory_order_acq_rel,
                                          std::memory_order_acquire);
  }

  /// Sleeps while the word holds `expected`, at most until `deadline_ns` of CLOCK_MONOTONIC. A
  /// deadline of the past returns at once.
  FutexWait wait(std::uint32_t expected,
                 std::optional<std::int64_t> deadline_ns = std::nullopt) const noexcept {
    const long result = wait_raw(expected, deadline_ns);
    if (result == 0) return FutexWait::woken;
    switch (errno) {
      case EAGAIN:
        return FutexWait::changed;
      case ETIMEDOUT:
        return FutexWait::timed_out;
      case EINTR:
        return FutexWait::interrupted;
      default:
        return FutexWait::woken;  // the caller's loop looks at the word and tries again
    }
  }

  /// Wakes one or all of the threads in wait(), and says how many. Only the address is used, never
  /// what lies there: waking a word that its waiter has since destroyed is harmless.
  int wake_one() const noexcept { return wake(1); }
  int wake_all() const noexcept { return wake(std::numeric_limits<int>::max()); }

 private:
  static constexpr std::int64_t kNanoseconds = 1'000'000'000;
  struct Time64 {
    std::int64_t seconds;
    std::int64_t nanoseconds;
  };
  struct TimeLong {
    long seconds;
    long nanoseconds;
  };

  long wait_raw(std::uint32_t expected, std::optional<std::int64_t> deadline_ns) const noexcept {
    const std::int64_t at = deadline_ns && *deadline_ns > 0 ? *deadline_ns : 0;
    const Time64 time{at / kNanoseconds, at % kNanoseconds};
#if defined(SYS_futex_time64)
    // A 32-bit machine: SYS_futex reads a timespec of two longs there, whatever time_t is.
    const long result = ::syscall(SYS_futex_time64, &value_, kWait, expected,
                                  deadline_ns ? &time : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
    if (result == 0 || errno != ENOSYS) return result;
#endif
    constexpr std::int64_t kMost = std::numeric_limits<long>::max();
    const TimeLong old{static_cast<long>(time.seconds < kMost ? time.seconds : kMost),
                       static_cast<long>(time.nanoseconds)};
    return ::syscall(SYS_futex, &value_, kWait, expected, deadline_ns ? &old : nullptr, nullptr,
                     FUTEX_BITSET_MATCH_ANY);
  }

  int wake(int count) const noexcept {
#if defined(SYS_futex)
    const long woken = ::syscall(SYS_futex, &value_, kWake, count, nullptr, nullptr, 0);
#else
    const long woken = ::syscall(SYS_futex_time64, &value_, kWake, count, nullptr, nullptr, 0);
#endif
    return woken > 0 ? static_cast<int>(woken) : 0;
  }

  static constexpr int kWait = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;
  static constexpr int kWake = FUTEX_WAKE | FUTEX_PRIVATE_FLAG;

  static_assert(sizeof(std::atomic<std::uint32_t>) == 4 &&
                std::atomic<std::uint32_t>::is_always_lock_free);
  std::atomic<std::uint32_t> value_;
};

}  // namespace vac
