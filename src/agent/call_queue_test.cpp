// SPDX-License-Identifier: Apache-2.0
#include "agent/call_queue.hpp"

#include <gtest/gtest.h>

#include "agent/connection.hpp"

namespace vac::agent {
namespace {

class CallQueueTest : public testing::Test {
 protected:
  void push(const char* op, std::uint64_t request) {
    TaskPtr task = tasks_.get();
    task->op = find_op(op);
    task->request = request;
    queue_.push(std::move(task));
  }
  /// The number of the call that is taken, 0 for none.
  std::uint64_t take() {
    const TaskPtr task = queue_.take();
    return task == nullptr ? 0 : task->request;
  }
  std::uint32_t id(const char* op) { return find_op(op)->id; }

  SlabPool slabs_;
  TaskPool tasks_{slabs_};
  CallQueue queue_;
};

TEST_F(CallQueueTest, GivesTheOldestFirst) {
  push("minmax", 1);
  push("sgemm", 2);
  push("minmax", 3);
  EXPECT_EQ(take(), 1U);
  EXPECT_EQ(take(), 2U);
  EXPECT_EQ(take(), 3U);
  EXPECT_EQ(take(), 0U);
}

TEST_F(CallQueueTest, PassesOverCallsOfAnOperationThatIsFull) {
  queue_.set_limit(id("minmax"), 1);
  push("minmax", 1);
  push("minmax", 2);
  push("sgemm", 3);
  EXPECT_EQ(take(), 1U);
  EXPECT_TRUE(queue_.runnable());
  EXPECT_EQ(take(), 3U);
  EXPECT_FALSE(queue_.runnable());
  EXPECT_EQ(take(), 0U);
  queue_.end(id("minmax"));
  EXPECT_EQ(take(), 2U);
}

TEST_F(CallQueueTest, LetsNobodyOvertakeCallsThatWait) {
  queue_.set_limit(id("minmax"), 1);
  EXPECT_TRUE(queue_.try_begin(id("minmax")));
  EXPECT_FALSE(queue_.try_begin(id("minmax")));
  push("minmax", 1);
  EXPECT_TRUE(queue_.try_begin(id("sgemm")));  // what waits cannot run anyway
  queue_.end(id("minmax"));
  EXPECT_FALSE(queue_.try_begin(id("sgemm")));
  EXPECT_EQ(take(), 1U);
}

TEST_F(CallQueueTest, GivesWaitingCallsBack) {
  push("minmax", 1);
  push("minmax", 2);
  // None of them has a connection.
  EXPECT_EQ(queue_.remove(nullptr, 3), nullptr);
  EXPECT_NE(queue_.remove(nullptr, 2), nullptr);
  EXPECT_EQ(queue_.remove_all(nullptr).size(), 1U);
  EXPECT_EQ(queue_.size(), 0U);
}

}  // namespace
}  // namespace vac::agent
