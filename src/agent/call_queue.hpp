// SPDX-License-Identifier: Apache-2.0
// Calls that wait for a thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <vector>

#include "agent/call_task.hpp"

namespace vac::agent {

/// Oldest first among the operations that may have another call running: a thread that took a call
/// its plugin has no slot for would wait there while others could use it. Confined to its owner's
/// lock.
class CallQueue {
 public:
  static constexpr std::uint32_t kUnlimited = std::numeric_limits<std::uint32_t>::max();

  /// At most `calls` of the operation run at once; without a limit, any number. A batch counts as
  /// one.
  void set_limit(std::uint32_t op, std::uint32_t calls) { by_op_[op].limit = calls; }
  /// Calls of the operation may have to wait for others: none skips the queue.
  void set_delayed(std::uint32_t op) { by_op_[op].delayed = true; }

  /// Where it throws the call is still the caller's.
  void push(TaskPtr&& task);
  /// The oldest call that may run, counted as running until end(); null where there is none.
  TaskPtr take();
  /// Those of the first one's group that wait, oldest first, to run with it; as many as the group
  /// takes.
  void gather(std::vector<TaskPtr>& batch);
  /// For a call that need not wait: counts it as running if it may run and none waits before it.
  bool try_begin(std::uint32_t op);
  void end(std::uint32_t op) { --by_op_[op].running; }
  /// Whether take() would give one.
  bool runnable() const;

  /// Takes a waiting call out; null where it does not wait (any more).
  TaskPtr remove(const Connection* connection, std::uint64_t request);
  /// Takes all waiting calls of a connection out.
  std::vector<TaskPtr> remove_all(const Connection* connection);
  std::size_t size() const noexcept { return size_; }
  /// How many of a connection's wait.
  std::size_t count(const Connection* connection) const;

 private:
  struct Waiting {
    std::uint64_t order = 0;
    TaskPtr task;
  };
  struct PerOp {
    std::uint32_t limit = kUnlimited;
    std::uint32_t running = 0;
    bool delayed = false;
    std::deque<Waiting> waiting;
    bool open() const { return running < limit; }
  };

  PerOp* oldest();

  std::map<std::uint32_t, PerOp> by_op_;  // few: the operations that were ever called
  std::uint64_t next_order_ = 0;
  std::size_t size_ = 0;
};

}  // namespace vac::agent
