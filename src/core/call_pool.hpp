// SPDX-License-Identifier: Apache-2.0
// Threads for calls that no thread of the application waits for.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <thread>
#include <vector>

#include "base/mutex.hpp"

namespace vac::core {

/// Runs tasks in the order in which they come, at most so many at once. Threads are started as they
/// are needed, with all signals blocked, and stay until rest(). Thread-safe.
class CallPool {
 public:
  static constexpr std::size_t kMostThreads = 64;

  /// Stays its owner's, who keeps it until run() has begun its last statement.
  class Task {
   public:
    virtual void run() noexcept = 0;

   protected:
    Task() = default;
    ~Task() = default;

   private:
    friend class CallPool;
    Task* next_ = nullptr;
  };

  explicit CallPool(std::size_t most_threads = kMostThreads) noexcept
      : most_threads_(most_threads) {}
  CallPool(const CallPool&) = delete;
  CallPool& operator=(const CallPool&) = delete;
  /// After the last task.
  ~CallPool();

  /// VAC_EAGAIN: there is no thread and none can be had; the task is not run.
  Status start(Task& task) VAC_EXCLUDES(mutex_);
  /// Ends the threads, each after its task, and waits for that; the next task starts others. Not in
  /// a thread of the pool.
  void rest() VAC_EXCLUDES(mutex_);

 private:
  void serve() VAC_EXCLUDES(mutex_);
  bool add_thread() VAC_REQUIRES(mutex_);

  const std::size_t most_threads_;
  Mutex mutex_;
  CondVar changed_;
  Task* first_ VAC_GUARDED_BY(mutex_) = nullptr;
  Task* last_ VAC_GUARDED_BY(mutex_) = nullptr;
  std::size_t queued_ VAC_GUARDED_BY(mutex_) = 0;
  std::size_t idle_ VAC_GUARDED_BY(mutex_) = 0;
  unsigned resting_ VAC_GUARDED_BY(mutex_) = 0;  // threads that wait for the pool's to end
  std::vector<std::thread> threads_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::core
