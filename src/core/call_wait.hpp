// SPDX-License-Identifier: Apache-2.0
// How a call waits for something of the host's own: a slot, or a resource that another call
// attaches.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "base/mutex.hpp"
#include "core/call_context.hpp"

namespace vac::core {

/// Made where a call has to wait, until its deadline (CLOCK_MONOTONIC ns, 0 none) at most or until
/// it is given up; `waker` is then told. Confined to the thread that dispatches.
class CallWait {
 public:
  CallWait(Waker& waker, std::int64_t deadline_ns, CallContext& context) noexcept
      : context_(context), deadline_(std::chrono::nanoseconds(deadline_ns)) {
    context_.waits_for.store(&waker);
  }
  ~CallWait() { context_.waits_for.store(nullptr, std::memory_order_relaxed); }
  CallWait(const CallWait&) = delete;
  CallWait& operator=(const CallWait&) = delete;

  /// It must not wait any longer.
  bool over() const noexcept {
    return context_.given_up() || (limited() && std::chrono::steady_clock::now() >= deadline_);
  }
  /// Why it is over; `late` where nobody has given the call up.
  Error error(std::string late) const {
    if (context_.given_up()) return Error{Errc::cancelled, "cancelled before it was started"};
    return Error{Errc::timed_out, std::move(late)};
  }
  /// Until something has changed, or it is over. The waker takes `mutex` before it notifies.
  void wait(CondVar& changed, Mutex& mutex) VAC_REQUIRES(mutex) {
    if (limited()) {
      changed.wait_until(mutex, deadline_);
    } else {
      changed.wait(mutex);
    }
  }

 private:
  bool limited() const noexcept { return deadline_.time_since_epoch().count() != 0; }

  CallContext& context_;
  const std::chrono::steady_clock::time_point deadline_;
};

}  // namespace vac::core
