// SPDX-License-Identifier: Apache-2.0
// What the C interface has once a process: the runtime, and the memory of handles.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/mutex.hpp"
#include "capi/handles.hpp"
#include "core/runtime.hpp"

namespace vac::capi {

/// Handles that are closed keep their memory, so that a use of one is seen: at least the kKept that
/// were closed last. T has a member `T* next_closed`. Thread-safe.
template <class T>
class HandlePool {
 public:
  static constexpr std::size_t kKept = 256;

  /// A handle that is nobody's.
  T* take() VAC_EXCLUDES(mutex_) {
    {
      const MutexLock lock(mutex_);
      if (closed_count_ > kKept) {
        T* const oldest = first_;
        first_ = oldest->next_closed;
        --closed_count_;
        return oldest;
      }
    }
    return new T;
  }
  void give_back(T& handle) noexcept VAC_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    handle.next_closed = nullptr;
    (closed_count_ == 0 ? first_ : last_->next_closed) = &handle;
    last_ = &handle;
    ++closed_count_;
  }

 private:
  Mutex mutex_;
  T* first_ VAC_GUARDED_BY(mutex_) = nullptr;
  T* last_ VAC_GUARDED_BY(mutex_) = nullptr;
  std::size_t closed_count_ VAC_GUARDED_BY(mutex_) = 0;
};

/// Thread-safe. Made at first use, also by a child of fork(), and never destroyed, so that exit()
/// finds nothing to do.
struct Process {
  Process(std::uint32_t its_number, const Process* of_parent)
      : number(its_number), parent(of_parent), runtime(core::RuntimeOptions::from_environment()) {}

  const std::uint32_t number;   ///< base/process_number.hpp
  const Process* const parent;  ///< before fork(): left alone, and not lost to who looks for leaks
  core::Runtime runtime;
  HandlePool<vac_session> sessions;
  std::atomic<std::uint32_t> open_sessions{0};
  HandlePool<vac_resource> resources;
  HandlePool<vac_call_handle> calls;
};

/// The calling process's.
Process& process();
/// nullptr where nothing has been opened in this process.
Process* find_process() noexcept;

/// Why a Visit in the session was refused.
Error refused_visit(const vac_session* session);

// async.cpp: calls without a thread of the application.

/// Whether this thread is in a function of the application that is told of a call.
bool in_callback() noexcept;
/// One of the session's such calls is over.
void leave_session(vac_session& session) noexcept;
/// Until none is left in a session that is closed. False: the time has passed first.
bool wait_for_submissions(vac_session& session, std::chrono::milliseconds patience) noexcept;

}  // namespace vac::capi
