// SPDX-License-Identifier: Apache-2.0
// Threads for calls that no thread of the application waits for.
#pragma once

#include <cstddef>
#include <cstdint>
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

  /// False: there is no thread and none can be had; the task is not run.
  [[nodiscard]] bool start(Task& task) noexcept VAC_EXCLUDES(mutex_);
  /// Ends the threads there are, each after its task, and waits for that; tasks that come meanwhile
  /// have others. Not in a thread of the pool.
  void rest() VAC_EXCLUDES(mutex_);

 private:
  void serve(std::uint64_t generation) noexcept VAC_EXCLUDES(mutex_);
  bool add_thread() VAC_REQUIRES(mutex_);

  const std::size_t most_threads_;
  Mutex mutex_;
  CondVar changed_;
  Task* first_ VAC_GUARDED_BY(mutex_) = nullptr;
  Task* last_ VAC_GUARDED_BY(mutex_) = nullptr;
  std::size_t queued_ VAC_GUARDED_BY(mutex_) = 0;
  // Of the present generation; those of older ones are on their way out.
  std::size_t idle_ VAC_GUARDED_BY(mutex_) = 0;
  std::uint64_t generation_ VAC_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> threads_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::core
