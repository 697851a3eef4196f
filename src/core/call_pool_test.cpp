// SPDX-License-Identifier: Apache-2.0
// The pool's threads come, go and come again.
#include "core/call_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "support/sleeper.hpp"

namespace vac::core {
namespace {

class Job final : public CallPool::Task {
 public:
  explicit Job(std::function<void()> work = [] {}) : work_(std::move(work)) {}
  void wait() { ended_.get_future().wait(); }

 private:
  void run() noexcept override {
    work_();
    ended_.set_value();
  }
  std::function<void()> work_;
  std::promise<void> ended_;
};

TEST(CallPool, RunsTasksInTheirOrderWithOneThread) {
  CallPool pool(1);
  std::deque<Job> jobs;
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) {
    jobs.emplace_back([&order, i] { order.push_back(i); });
  }
  for (Job& job : jobs) ASSERT_TRUE(pool.start(job));
  jobs.back().wait();
  EXPECT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  pool.rest();
}

TEST(CallPool, HasThreadsAgainAfterARest) {
  CallPool pool(2);
  for (int i = 0; i < 100; ++i) {
    Job job;
    ASSERT_TRUE(pool.start(job));
    job.wait();
    pool.rest();
  }
}

/// Somebody closes the last session while a task runs, and somebody else opens another one.
TEST(CallPool, RunsWhatComesWhileItsThreadsEnd) {
  CallPool pool(1);
  std::promise<void> leave;
  Job long_one([&] { leave.get_future().wait(); });
  ASSERT_TRUE(pool.start(long_one));
  test::Sleeper sleeper;
  std::thread rests([&] {
    sleeper.is_me();
    pool.rest();
  });
  sleeper.wait_until_asleep();  // until the long one ends
  Job meanwhile, later;
  ASSERT_TRUE(pool.start(meanwhile));
  leave.set_value();
  rests.join();
  meanwhile.wait();
  ASSERT_TRUE(pool.start(later));
  later.wait();
  pool.rest();
}

TEST(CallPool, RestsWhileOthersKeepItBusy) {
  CallPool pool(1);
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) {
      Job job;
      ASSERT_TRUE(pool.start(job));
      job.wait();
    }
  });
  for (int i = 0; i < 200; ++i) pool.rest();
  stop = true;
  busy.join();
  pool.rest();
}

}  // namespace
}  // namespace vac::core
