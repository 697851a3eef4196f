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
    ++generation_;
    idle_ = 0;
    threads.swap(threads_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

bool CallPool::start(Task& task) noexcept {
  {
    const MutexLock lock(mutex_);
    if (queued_ >= idle_ && threads_.size() < most_threads_ && !add_thread() && threads_.empty()) {
      return false;
    }
    task.next_ = nullptr;
    (first_ == nullptr ? first_ : last_->next_) = &task;
    last_ = &task;
    ++queued_;
  }
  changed_.notify_one();
  return true;
}

/// The application's signals are for its own threads.
bool CallPool::add_thread() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool added = true;
  try {
    threads_.emplace_back([this, generation = generation_] { serve(generation); });
  } catch (const std::system_error&) {
    added = false;
  } catch (const std::bad_alloc&) {
    added = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return added;
}

void CallPool::serve(std::uint64_t generation) noexcept {
  MutexLock lock(mutex_);
  for (;;) {
    while (first_ == nullptr && generation == generation_) {
      ++idle_;
      changed_.wait(mutex_);
      if (generation == generation_) --idle_;
    }
    // What is queued is for the threads that stay, if there are any: else for who has it before.
    if (first_ == nullptr || (generation != generation_ && !threads_.empty())) break;
    Task& task = *std::exchange(first_, first_->next_);
    --queued_;
    lock.unlock();
    task.run();
    lock.lock();
  }
  // It may have been woken instead of one of those.
  if (first_ != nullptr) changed_.notify_one();
}

}  // namespace vac::core
