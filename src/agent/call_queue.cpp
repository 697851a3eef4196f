// SPDX-License-Identifier: Apache-2.0
#include "agent/call_queue.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "agent/connection.hpp"

namespace vac::agent {

void CallQueue::push(TaskPtr&& task) {
  PerOp& op = by_op_[task->op->id];
  Waiting& place = op.waiting.emplace_back();
  place = {next_order_++, std::move(task)};
  ++size_;
}

CallQueue::PerOp* CallQueue::oldest() {
  PerOp* best = nullptr;
  if (size_ == 0) return best;
  for (auto& [id, op] : by_op_) {
    if (op.waiting.empty() || !op.open()) continue;
    if (best == nullptr || op.waiting.front().order < best->waiting.front().order) best = &op;
  }
  return best;
}

TaskPtr CallQueue::take() {
  PerOp* const op = oldest();
  if (op == nullptr) return {};
  TaskPtr task = std::move(op->waiting.front().task);
  op->waiting.pop_front();
  ++op->running;
  --size_;
  return task;
}

void CallQueue::gather(std::vector<TaskPtr>& batch) {
  const core::BatchGroup& group = batch.front()->group;
  PerOp& op = by_op_[batch.front()->op->id];
  if (!group || op.waiting.empty()) return;
  try {
    batch.reserve(std::min<std::size_t>(group.most, 1 + op.waiting.size()));
  } catch (const std::bad_alloc&) {  // then the first one runs alone
    return;
  }
  std::erase_if(op.waiting, [&](Waiting& waiting) {
    if (batch.size() >= group.most || waiting.task->group != group) return false;
    batch.push_back(std::move(waiting.task));
    --size_;
    return true;
  });
}

bool CallQueue::try_begin(std::uint32_t id) {
  if (runnable()) return false;
  PerOp& op = by_op_[id];
  if (op.delayed || !op.waiting.empty() || !op.open()) return false;
  ++op.running;
  return true;
}

bool CallQueue::runnable() const {
  return size_ != 0 && std::ranges::any_of(by_op_, [](const auto& entry) {
           return !entry.second.waiting.empty() && entry.second.open();
         });
}

std::size_t CallQueue::count(const Connection* connection) const {
  std::size_t sum = 0;
  for (const auto& [id, op] : by_op_) {
    sum += static_cast<std::size_t>(std::ranges::count_if(op.waiting, [&](const Waiting& waiting) {
      return waiting.task->connection.get() == connection;
    }));
  }
  return sum;
}

TaskPtr CallQueue::remove(const Connection* connection, std::uint64_t request) {
  for (auto& [id, op] : by_op_) {
    const auto found = std::ranges::find_if(op.waiting, [&](const Waiting& waiting) {
      return waiting.task->connection.get() == connection && waiting.task->request == request;
    });
    if (found == op.waiting.end()) continue;
    TaskPtr task = std::move(found->task);
    op.waiting.erase(found);
    --size_;
    return task;
  }
  return {};
}

std::vector<TaskPtr> CallQueue::remove_all(const Connection* connection) {
  std::vector<TaskPtr> removed;
  if (size_ == 0) return removed;
  for (auto& [id, op] : by_op_) {
    std::erase_if(op.waiting, [&](Waiting& waiting) {
      if (waiting.task->connection.get() != connection) return false;
      removed.push_back(std::move(waiting.task));
      return true;
    });
  }
  size_ -= removed.size();
  return removed;
}

}  // namespace vac::agent
