// SPDX-License-Identifier: Apache-2.0
#include "agent/call_task.hpp"

#include <string>
#include <utility>

#include "agent/connection.hpp"

namespace vac::agent {
namespace {

/// What a task that waits for its next call may keep of its last one's message.
constexpr std::size_t kKeptMessage = 1024;

}  // namespace

void CallTask::reset() noexcept {
  outputs.clear();
  descriptor.reset();
  delivered.clear();
  places.clear();
  copies.clear();
  late.clear();
  regions.clear();
  frame.reset();
  held.clear();
  capacities.clear();
  resources.fill(nullptr);
  if (group) group = {};
  context.reset();
  if (context.message.capacity() > kKeptMessage) std::string().swap(context.message);
  call = {};
  request = 0;
  op = nullptr;
  // Last: the account of the blocks above is kept alive by the connection.
  connection.reset();
}

void ReturnTask::operator()(CallTask* task) const noexcept { pool->give_back(task); }

TaskPtr TaskPool::get() {
  std::unique_ptr<CallTask> task;
  {
    const MutexLock lock(mutex_);
    if (!free_.empty()) {
      task = std::move(free_.back());
      free_.pop_back();
      ++in_use_;
    }
  }
  if (task == nullptr) {
    task = std::make_unique<CallTask>(slabs_);
    const MutexLock lock(mutex_);
    free_.reserve(in_use_ + 1);  // so that giving back cannot fail
    ++in_use_;
  }
  return {task.release(), ReturnTask{this}};
}

void TaskPool::give_back(CallTask* task) noexcept {
  task->reset();
  const MutexLock lock(mutex_);
  free_.emplace_back(task);
  --in_use_;
}

void TaskPool::trim() {
  std::vector<std::unique_ptr<CallTask>> gone;
  const MutexLock lock(mutex_);
  std::swap(gone, free_);
  free_.reserve(in_use_);
}

}  // namespace vac::agent
