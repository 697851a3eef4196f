// SPDX-License-Identifier: Apache-2.0
#include "core/call_pool.hpp"

#include <pthread.h>
#include <signal.h>

#include <system_error>
#include <utility>

namespace vac::core {

CallPool::~CallPool() { rest(); }

void CallPool::rest() {
  std::vector<std::thread> threads;
  {
    const MutexLock lock(mutex_);
    ++resting_;
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads) thread.join();
  const MutexLock lock(mutex_);
  --resting_;
}

Status CallPool::start(Task& task) {
  {
    const MutexLock lock(mutex_);
    if (queued_ >= idle_ && threads_.size() < most_threads_ && !add_thread() && threads_.empty()) {
      return Error{Errc::again, "there is no thread for the call, and the system gives none now"};
    }
    task.next_ = nullptr;
    (first_ == nullptr ? first_ : last_->next_) = &task;
    last_ = &task;
    ++queued_;
  }
  changed_.notify_one();
  return {};
}

/// The application's signals are for its own threads.
bool CallPool::add_thread() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool added = true;
  try {
    threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error&) {
    added = false;
  } catch (const std::bad_alloc&) {
    added = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return added;
}

void CallPool::serve() {
  MutexLock lock(mutex_);
  for (;;) {
    while (first_ == nullptr && resting_ == 0) {
      ++idle_;
      changed_.wait(mutex_);
      --idle_;
    }
    if (first_ == nullptr) return;
    Task& task = *std::exchange(first_, first_->next_);
    --queued_;
    lock.unlock();
    task.run();
    lock.lock();
  }
}

}  // namespace vac::core
