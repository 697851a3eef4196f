// SPDX-License-Identifier: Apache-2.0
#include "base/mutex.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

namespace vac {
namespace {

/// Annotated as a class of the product is, so that clang checks the macros here too.
class Queue {
 public:
  void put(int value) VAC_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    values_.push_back(value);
    lock.unlock();
    changed_.notify_one();
  }

  int get() VAC_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (values_.empty()) changed_.wait(mutex_);
    return take();
  }

  /// False if nothing arrives in time.
  bool wait_for_one(std::chrono::steady_clock::time_point deadline) VAC_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    while (values_.empty()) {
      if (!changed_.wait_until(mutex_, deadline)) return !values_.empty();
    }
    return true;
  }

 private:
  int take() VAC_REQUIRES(mutex_) {
    const int value = values_.front();
    values_.pop_front();
    return value;
  }

  Mutex mutex_;
  CondVar changed_;
  std::deque<int> values_ VAC_GUARDED_BY(mutex_);
};

bool taken_by_another(Mutex& mutex) {
  bool taken = false;
  std::thread other([&] {
    if (mutex.try_lock()) {
      mutex.unlock();
    } else {
      taken = true;
    }
  });
  other.join();
  return taken;
}

TEST(Mutex, LockLastsForTheScope) {
  Mutex mutex;
  {
    const MutexLock lock(mutex);
    EXPECT_TRUE(taken_by_another(mutex));
  }
  EXPECT_FALSE(taken_by_another(mutex));
}

TEST(Mutex, LockCanBeLetGoAndTakenAgain) {
  Mutex mutex;
  {
    MutexLock lock(mutex);
    lock.unlock();
    EXPECT_FALSE(taken_by_another(mutex));
    lock.lock();
    EXPECT_TRUE(taken_by_another(mutex));
    lock.unlock();
  }
  EXPECT_FALSE(taken_by_another(mutex));
}

TEST(Mutex, ConditionHandsEveryValueOverOnce) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kValues = 500;
  Queue queue;
  std::vector<int> seen(kThreads * kValues, 0);
  Mutex seen_mutex;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&queue, t] {
      for (std::size_t i = 0; i < kValues; ++i) queue.put(static_cast<int>(t * kValues + i));
    });
    threads.emplace_back([&queue, &seen, &seen_mutex] {
      for (std::size_t i = 0; i < kValues; ++i) {
        const int value = queue.get();
        const MutexLock lock(seen_mutex);
        ++seen[static_cast<std::size_t>(value)];
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int times : seen) EXPECT_EQ(times, 1);
}

TEST(Mutex, WaitEndsAtItsDeadline) {
  Queue queue;
  EXPECT_FALSE(queue.wait_for_one(std::chrono::steady_clock::now() - std::chrono::seconds(1)));
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
  EXPECT_FALSE(queue.wait_for_one(deadline));
  EXPECT_GE(std::chrono::steady_clock::now(), deadline);
  queue.put(1);
  EXPECT_TRUE(queue.wait_for_one(std::chrono::steady_clock::now() + std::chrono::hours(1)));
}

}  // namespace
}  // namespace vac
