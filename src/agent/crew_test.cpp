// SPDX-License-Identifier: Apache-2.0
#include "agent/crew.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "agent/connection.hpp"
#include "base/mutex.hpp"

namespace vac::agent {
namespace {

/// Lets the test decide when watchers leave and calls end; counts both.
class Script final : public Crew::Duties {
 public:
  explicit Script(Crew& crew) : crew_(crew) {}

  void watch(Worker& worker) override {
    MutexLock lock(mutex_);
    ++watches_;
    changed_.notify_all();
    while (leave_ == 0 && !over_) changed_.wait(mutex_);
    if (over_) return;
    --leave_;
    lock.unlock();
    crew_.leave_watch(worker);
    lock.lock();
    ++left_;
    changed_.notify_all();
    while (!over_) changed_.wait(mutex_);  // blocks, as on a connection
  }
  void hand_over(Worker& /*worker*/) override {}
  void find_group(CallTask& task) override { task.group = group; }
  void end_unqueued(TaskPtr task) override {
    EXPECT_TRUE(task->context.cancelled);
    ++cancelled;
  }
  void execute(Worker& /*worker*/, std::vector<TaskPtr>& calls) override {
    const MutexLock lock(mutex_);
    ++running_;
    ++started_;
    sizes_.push_back(calls.size());
    changed_.notify_all();
    while (finish_ == 0 && !over_) changed_.wait(mutex_);
    if (finish_ > 0) --finish_;
    --running_;
    ++done_;
    changed_.notify_all();
  }

  void make_watcher_leave() { set(leave_, 1); }
  void finish(int calls) { set(finish_, calls); }
  void end() { set(over_, true); }
  void wait_for_watches(int count) { wait(watches_, count); }
  void wait_for_left(int count) { wait(left_, count); }
  void wait_for_started(int count) { wait(started_, count); }
  void wait_for_done(int count) { wait(done_, count); }
  int running() {
    const MutexLock lock(mutex_);
    return running_;
  }
  /// How many calls were run together, in the order of their start.
  std::vector<std::size_t> sizes() {
    const MutexLock lock(mutex_);
    return sizes_;
  }

  int cancelled = 0;       ///< calls that were not queued
  core::BatchGroup group;  ///< of all calls that are queued; before the first of them

 private:
  template <class T>
  void set(T& value, T to) {
    const MutexLock lock(mutex_);
    value += to;
    changed_.notify_all();
  }
  void wait(const int& value, int least) {
    const MutexLock lock(mutex_);
    while (value < least) changed_.wait(mutex_);
  }

  Crew& crew_;
  Mutex mutex_;
  CondVar changed_;
  int watches_ = 0, leave_ = 0, left_ = 0, running_ = 0, started_ = 0, done_ = 0, finish_ = 0;
  bool over_ = false;
  std::vector<std::size_t> sizes_;
};

constexpr std::int64_t kHourNs = 3'600'000'000'000;

class CrewTest : public testing::Test {
 protected:
  ~CrewTest() override {
    crew_.stop();
    script_.end();
    crew_.join();
  }
  void queue(int calls, const char* op = "minmax") {
    std::vector<TaskPtr> tasks;
    for (int i = 0; i < calls; ++i) {
      tasks.push_back(tasks_.get());
      tasks.back()->op = find_op(op);
    }
    crew_.queue(tasks);
  }
  /// Calls from now on go together, four at most.
  void use_groups(std::int64_t delay_ns = 0) {
    // It is compared and never looked into.
    script_.group.plugin = reinterpret_cast<const core::Plugin*>(this);
    script_.group.most = 4;
    script_.group.delay_ns = delay_ns;
  }

  SlabPool slabs_;
  TaskPool tasks_{slabs_};
  Crew crew_{{2, 3}, slabs_};
  Script script_{crew_};
};

TEST_F(CrewTest, AppointsASuccessorOfAWatcherThatLeaves) {
  ASSERT_TRUE(crew_.start(script_));
  for (int watches = 1; watches <= 5; ++watches) {
    script_.wait_for_watches(watches);
    script_.make_watcher_leave();
  }
  script_.wait_for_watches(6);  // as many as there may be
  EXPECT_EQ(crew_.thread_count(), 6U);
}

TEST_F(CrewTest, WatchesAgainAsSoonAsSomebodyIsFree) {
  ASSERT_TRUE(crew_.start(script_));
  queue(2);
  script_.wait_for_started(2);
  for (int watches = 1; watches <= 4; ++watches) {  // all others leave and block
    script_.wait_for_watches(watches);
    script_.make_watcher_leave();
    script_.wait_for_left(watches);
  }
  queue(2);
  script_.finish(1);  // its thread watches before it takes the next call
  script_.wait_for_watches(5);
  EXPECT_EQ(crew_.thread_count(), 6U);
}

TEST_F(CrewTest, RunsAsManyCallsAtOnceAsItHasExecutors) {
  ASSERT_TRUE(crew_.start(script_));
  queue(10);
  script_.wait_for_started(2);
  EXPECT_EQ(script_.running(), 2);
  EXPECT_FALSE(crew_.begin_call(find_op("sgemm")->id));
  script_.finish(10);
  script_.wait_for_done(10);
  EXPECT_EQ(script_.running(), 0);
}

TEST_F(CrewTest, ServesWhatWaitedForACallThatRanElsewhere) {
  ASSERT_TRUE(crew_.start(script_));
  const std::uint32_t op = find_op("minmax")->id;
  ASSERT_TRUE(crew_.begin_call(op));
  ASSERT_TRUE(crew_.begin_call(op));
  queue(1);
  crew_.end_call(op);
  script_.wait_for_started(1);
  crew_.end_call(op);
  script_.finish(1);
  script_.wait_for_done(1);
}

TEST_F(CrewTest, WhoStepsAsideLeavesItsCallsToOthers) {
  ASSERT_TRUE(crew_.start(script_));
  Worker busy(slabs_);
  busy.calls.push_back(tasks_.get());
  busy.calls.back()->op = find_op("minmax");
  crew_.step_aside(busy);
  EXPECT_TRUE(busy.calls.empty());
  script_.wait_for_started(1);
  script_.finish(1);
  script_.wait_for_done(1);
}

TEST_F(CrewTest, RunsTogetherWhatHasGatheredWhileASlotWasBusy) {
  use_groups();
  crew_.set_limit(find_op("minmax")->id, 1);
  ASSERT_TRUE(crew_.start(script_));
  queue(1);
  script_.wait_for_started(1);
  queue(6);
  script_.finish(3);
  script_.wait_for_done(3);
  EXPECT_THAT(script_.sizes(), testing::ElementsAre(1U, 4U, 2U));
}

TEST_F(CrewTest, WaitsForABatchAsLongAsItMay) {
  use_groups(kHourNs);
  ASSERT_TRUE(crew_.start(script_));
  queue(1);
  queue(2);
  EXPECT_EQ(script_.running(), 0);
  queue(1);  // the last one that the batch takes
  script_.wait_for_started(1);
  queue(5);
  script_.wait_for_started(2);
  script_.finish(2);
  script_.wait_for_done(2);
  EXPECT_THAT(script_.sizes(), testing::ElementsAre(4U, 4U));
}

TEST_F(CrewTest, RunsABatchThatIsNotFullWhenItsTimeIsOver) {
  use_groups(1);
  ASSERT_TRUE(crew_.start(script_));
  queue(1);
  script_.wait_for_started(1);
  EXPECT_THAT(script_.sizes(), testing::ElementsAre(1U));
  script_.finish(1);
}

TEST_F(CrewTest, QueuesNoCallWhoseCancelCameBefore) {
  crew_.set_limit(find_op("minmax")->id, 1);
  ASSERT_TRUE(crew_.start(script_));
  queue(1);
  script_.wait_for_started(1);
  std::vector<TaskPtr> tasks;
  tasks.push_back(tasks_.get());
  tasks.back()->op = find_op("minmax");
  tasks.back()->context.cancel();
  crew_.queue(tasks);
  EXPECT_EQ(script_.cancelled, 1);
  EXPECT_EQ(crew_.waiting(nullptr), 0U);
  script_.finish(1);
}

TEST_F(CrewTest, SkipsNoQueueWhereCallsWaitForOthers) {
  crew_.set_delayed(find_op("minmax")->id);
  EXPECT_FALSE(crew_.begin_call(find_op("minmax")->id));
  EXPECT_TRUE(crew_.begin_call(find_op("sgemm")->id));
  crew_.end_call(find_op("sgemm")->id);
}

TEST_F(CrewTest, LimitsThreadsThatBlockOnInput) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(crew_.begin_reading());
  EXPECT_FALSE(crew_.may_read());
  EXPECT_FALSE(crew_.begin_reading());
  crew_.end_reading();
  EXPECT_TRUE(crew_.begin_reading());
}

}  // namespace
}  // namespace vac::agent
