// SPDX-License-Identifier: Apache-2.0
// How long the thread of a call is willing to wait, and why it has stopped waiting.
#pragma once

#include <time.h>
#include <vac/plugin.h>

#include <cstdint>
#include <optional>

#include "base/futex_word.hpp"

namespace vac::remote {

/// CLOCK_MONOTONIC in nanoseconds, the clock of vac_call.deadline_ns.
inline std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// A value. Confined to the call's thread. Looks at the clock only where there is a deadline.
class Patience {
 public:
  enum class Stop : std::uint8_t { none, expired, interrupted, cancelled };
  /// A frame that has been sent or received by half must come to its end; this long it may take
  /// after the deadline, then the connection is given up.
  static constexpr std::int64_t kGraceNs = 5'000'000'000;

  Patience() = default;
  explicit Patience(const vac_call& call, std::int64_t grace_ns = kGraceNs) noexcept
      : deadline_ns_(call.deadline_ns),
        grace_ns_(grace_ns),
        interruptible_((call.flags & VAC_CALL_INTERRUPTIBLE) != 0) {}

  /// Whether the call's thread wants to leave. Looks at the clock.
  bool over() noexcept {
    if (stop_ == Stop::none && deadline_ns_ != 0 && now_ns() >= deadline_ns_) {
      stop_ = Stop::expired;
      stopped_ns_ = deadline_ns_;
    }
    return stop_ != Stop::none;
  }
  /// The same without looking at the clock again.
  bool stopped() const noexcept { return stop_ != Stop::none; }
  Stop stop() const noexcept { return stop_; }

  /// A signal handler has run: ends the patience of an interruptible call and of no other.
  void interrupt() noexcept {
    if (interruptible_) stop_now(Stop::interrupted);
  }
  /// Whoever made the call does not want it any more.
  void cancel() noexcept { stop_now(Stop::cancelled); }
  void note(FutexWait result) noexcept {
    if (result == FutexWait::interrupted) interrupt();
  }

  /// Whether the grace that follows the end of patience has passed too.
  bool grace_over() const noexcept { return stopped() && now_ns() >= stopped_ns_ + grace_ns_; }

  /// Nothing ends it: no deadline, and no signal.
  bool endless() const noexcept { return deadline_ns_ == 0 && !interruptible_; }

  /// Until when a wait may last: the deadline, then the end of the grace. 0: for ever.
  std::int64_t limit_ns() const noexcept {
    return stopped() ? stopped_ns_ + grace_ns_ : deadline_ns_;
  }
  std::optional<std::int64_t> futex_limit() const noexcept {
    const std::int64_t limit = limit_ns();
    return limit == 0 ? std::nullopt : std::optional(limit);
  }

  /// Microseconds left, for the wire: at least 1, saturated; 0 for no deadline.
  std::uint32_t left_us() const noexcept {
    if (deadline_ns_ == 0) return 0;
    const std::int64_t left = (deadline_ns_ - now_ns()) / 1000;
    if (left < 1) return 1;
    return left < std::int64_t{UINT32_MAX} ? static_cast<std::uint32_t>(left) : UINT32_MAX;
  }

 private:
  void stop_now(Stop why) noexcept {
    if (stopped()) return;
    stop_ = why;
    stopped_ns_ = now_ns();
  }

  std::int64_t deadline_ns_ = 0;
  std::int64_t stopped_ns_ = 0;  // when it ended; the grace follows
  std::int64_t grace_ns_ = kGraceNs;
  bool interruptible_ = false;
  Stop stop_ = Stop::none;
};

}  // namespace vac::remote
