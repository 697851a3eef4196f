// SPDX-License-Identifier: Apache-2.0
// Mutex, lock and condition variable with the annotations that clang's -Wthread-safety checks;
// those of libstdc++ have none.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define VAC_THREAD_ANNOTATION(...) __attribute__((__VA_ARGS__))
#else
#define VAC_THREAD_ANNOTATION(...)
#endif

#define VAC_CAPABILITY(name) VAC_THREAD_ANNOTATION(capability(name))
#define VAC_SCOPED_CAPABILITY VAC_THREAD_ANNOTATION(scoped_lockable)
/// A member that may be touched only while the mutex is held.
#define VAC_GUARDED_BY(mutex) VAC_THREAD_ANNOTATION(guarded_by(mutex))
/// A pointer whose target may be touched only while the mutex is held.
#define VAC_PT_GUARDED_BY(mutex) VAC_THREAD_ANNOTATION(pt_guarded_by(mutex))
/// A function that is called with the mutex held.
#define VAC_REQUIRES(...) VAC_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
/// A function that takes the mutex itself, so that its caller must not hold it.
#define VAC_EXCLUDES(...) VAC_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define VAC_ACQUIRE(...) VAC_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define VAC_RELEASE(...) VAC_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define VAC_TRY_ACQUIRE(...) VAC_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define VAC_ACQUIRED_BEFORE(...) VAC_THREAD_ANNOTATION(acquired_before(__VA_ARGS__))
#define VAC_ACQUIRED_AFTER(...) VAC_THREAD_ANNOTATION(acquired_after(__VA_ARGS__))
#define VAC_RETURN_CAPABILITY(mutex) VAC_THREAD_ANNOTATION(lock_returned(mutex))
#define VAC_NO_THREAD_SAFETY_ANALYSIS VAC_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace vac {

/// std::mutex, annotated. Not recursive. Thread-safe.
class VAC_CAPABILITY("mutex") Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void lock() VAC_ACQUIRE() { mutex_.lock(); }
  void unlock() VAC_RELEASE() { mutex_.unlock(); }
  bool try_lock() VAC_TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

/// Holds a mutex for a scope. It can be let go early with unlock() and taken again with lock(); the
/// destructor unlocks only what is held. Confined to the thread that made it.
class VAC_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) VAC_ACQUIRE(mutex) : mutex_(mutex), held_(true) {
    mutex_.lock();
  }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  // The analysis cannot follow held_; it knows by itself on which paths the mutex is held.
  ~MutexLock() VAC_RELEASE() {
    if (held_) mutex_.unlock();
  }

  void unlock() VAC_RELEASE() {
    held_ = false;
    mutex_.unlock();
  }
  void lock() VAC_ACQUIRE() {
    mutex_.lock();
    held_ = true;
  }

 private:
  Mutex& mutex_;
  bool held_;
};

/// A condition variable for Mutex. There is no wait with a predicate: a lambda does not inherit the
/// annotation of its caller, so write `while (!ready_) changed_.wait(mutex_);`. Thread-safe.
class CondVar {
 public:
  CondVar() = default;
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;

  /// Lets the mutex go, waits, takes it again. May return without a notification.
  void wait(Mutex& mutex) VAC_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }

  /// As wait(); false if the time has come first.
  bool wait_until(Mutex& mutex, std::chrono::steady_clock::time_point deadline)
      VAC_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const std::cv_status status = condition_.wait_until(lock, deadline);
    lock.release();
    return status == std::cv_status::no_timeout;
  }

  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace vac
