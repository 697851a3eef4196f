// SPDX-License-Identifier: Apache-2.0
#include "agent/call_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "agent/connection.hpp"

namespace vac::agent {
namespace {

using testing::ElementsAre;

class CallQueueTest : public testing::Test {
 protected:
  /// `key` 0: it runs alone.
  void push(const char* op, std::uint64_t request, std::uint64_t key = 0,
            const void* tenant = nullptr) {
    TaskPtr task = tasks_.get();
    task->op = find_op(op);
    task->request = request;
    if (key != 0) {
      // It is compared and never looked into.
      task->group.plugin = reinterpret_cast<const core::Plugin*>(this);
      task->group.key = key;
      task->group.most = 3;
      task->group.tenant = tenant;
    }
    queue_.push(std::move(task));
  }
  /// The number of the call that is taken, 0 for none.
  std::uint64_t take() {
    const TaskPtr task = queue_.take();
    return task == nullptr ? 0 : task->request;
  }
  /// The numbers of the calls that are taken together.
  std::vector<std::uint64_t> take_batch() {
    std::vector<TaskPtr> batch;
    batch.push_back(queue_.take());
    queue_.gather(batch);
    std::vector<std::uint64_t> numbers;
    for (const TaskPtr& task : batch) numbers.push_back(task->request);
    return numbers;
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

TEST_F(CallQueueTest, GathersTheOldestOfAGroup) {
  push("minmax", 1, 7);
  push("minmax", 2, 8);
  push("minmax", 3, 7);
  push("minmax", 4);
  for (const std::uint64_t request : {5, 6, 7}) push("minmax", request, 7);
  EXPECT_THAT(take_batch(), ElementsAre(1U, 3U, 5U)) << "as many as the group takes";
  EXPECT_EQ(queue_.size(), 4U);
  EXPECT_THAT(take_batch(), ElementsAre(2U));
  EXPECT_THAT(take_batch(), ElementsAre(4U));
  EXPECT_THAT(take_batch(), ElementsAre(6U, 7U));
  EXPECT_EQ(queue_.size(), 0U);
}

TEST_F(CallQueueTest, GathersNoCallOfAnotherTenantOrOperation) {
  push("minmax", 1, 7, this);
  push("minmax", 2, 7, &queue_);
  push("sgemm", 3, 7, this);
  EXPECT_THAT(take_batch(), ElementsAre(1U));
  EXPECT_THAT(take_batch(), ElementsAre(2U));
  EXPECT_THAT(take_batch(), ElementsAre(3U));
}

TEST_F(CallQueueTest, CountsABatchAsOne) {
  queue_.set_limit(id("minmax"), 1);
  for (const std::uint64_t request : {1, 2, 3, 4}) push("minmax", request, 7);
  EXPECT_THAT(take_batch(), ElementsAre(1U, 2U, 3U));
  EXPECT_FALSE(queue_.runnable());
  queue_.end(id("minmax"));
  EXPECT_THAT(take_batch(), ElementsAre(4U));
}

TEST_F(CallQueueTest, CountsTheCallsOfAConnectionThatWait) {
  push("minmax", 1, 7);
  push("sgemm", 2);
  EXPECT_EQ(queue_.count(nullptr), 2U) << "none of them has a connection";
  EXPECT_EQ(queue_.count(reinterpret_cast<const Connection*>(this)), 0U);
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
