// SPDX-License-Identifier: Apache-2.0
// The calls of one connection that are queued, held back or running.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "agent/call_task.hpp"
#include "base/mutex.hpp"
#include "wire/frame.hpp"

namespace vac::agent {

/// Points at tasks that others own; each is taken out before its owner lets it go. Thread-safe.
class CallsInFlight {
 public:
  /// The caller has seen to it that there are fewer than wire::kMaxCallsInFlight.
  void add(CallTask& task) noexcept VAC_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    tasks_[count_++] = &task;
  }
  /// Without effect on a task that is not there.
  void remove(const CallTask& task) noexcept VAC_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    for (std::size_t i = 0; i < count_; ++i) {
      if (tasks_[i] != &task) continue;
      tasks_[i] = tasks_[--count_];
      return;
    }
  }
  std::size_t size() const noexcept VAC_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return count_;
  }
  /// False where there is none of that id: it has been answered.
  bool cancel(std::uint64_t request) noexcept VAC_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    for (std::size_t i = 0; i < count_; ++i) {
      if (tasks_[i]->request != request) continue;
      tasks_[i]->context.cancel();
      return true;
    }
    return false;
  }
  void cancel_all() noexcept VAC_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    for (std::size_t i = 0; i < count_; ++i) {
      tasks_[i]->context.cancel();
    }
  }

 private:
  mutable Mutex mutex_;
  std::array<CallTask*, wire::kMaxCallsInFlight> tasks_ VAC_GUARDED_BY(mutex_){};
  std::size_t count_ VAC_GUARDED_BY(mutex_) = 0;
};

}  // namespace vac::agent
