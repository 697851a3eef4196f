// SPDX-License-Identifier: Apache-2.0
#include "agent/crew.hpp"

#include <exception>
#include <new>
#include <utility>

#include "agent/clock.hpp"
#include "agent/connection.hpp"
#include "base/log.hpp"

namespace vac::agent {

Crew::~Crew() {
  stop();
  join();
}

void Crew::set_limit(std::uint32_t op, std::uint32_t calls) {
  const MutexLock lock(mutex_);
  queue_.set_limit(op, calls);
}

void Crew::set_delayed(std::uint32_t op) {
  const MutexLock lock(mutex_);
  queue_.set_delayed(op);
}

Status Crew::start(Duties& duties) {
  const MutexLock lock(mutex_);
  duties_ = &duties;
  if (!assign(Role::watch)) return Error{Errc::again, "cannot start a thread"};
  watchers_.fetch_add(1);
  return {};
}

/// Gives a parked or new thread the role. False: all are busy, and will look for roles when they
/// are done.
bool Crew::assign(Role role) {
  if (!parked_.empty()) {
    Member& member = *parked_.back();
    parked_.pop_back();
    member.role = role;
    member.changed.notify_one();
    return true;
  }
  if (members_.size() >= std::size_t{size_.executors} + size_.readers + 1) return false;
  try {
    auto made = std::make_unique<Member>(slabs_);
    Member& member = *made;
    member.role = role;
    parked_.reserve(members_.size() + 1);  // so that a thread can always park
    gatherings_.reserve(members_.size() + 1);
    members_.push_back(std::move(made));
    try {
      member.thread = std::thread([this, &member] { run(member); });
    } catch (...) {
      members_.pop_back();
      throw;
    }
    return true;
  } catch (const std::exception& failure) {  // std::system_error, std::bad_alloc
    log_error("cannot start a thread: ", failure.what());
    return false;
  }
}

void Crew::assign_execution() {
  if (running_ < size_.executors && queue_.runnable() && assign(Role::execute)) ++running_;
}

void Crew::leave_watch(Worker& worker) {
  if (!std::exchange(worker.watching, false)) return;
  if (duties_ != nullptr) duties_->hand_over(worker);
  if (watchers_.fetch_sub(1) > 1) return;
  const MutexLock lock(mutex_);
  if (watchers_.load() == 0 && !stopping_ && assign(Role::watch)) watchers_.fetch_add(1);
}

void Crew::step_aside(Worker& worker) {
  leave_watch(worker);
  if (!worker.calls.empty()) queue(worker.calls);
}

bool Crew::begin_reading() noexcept {
  unsigned readers = readers_.load(std::memory_order_relaxed);
  do {
    if (readers >= size_.readers) return false;
  } while (!readers_.compare_exchange_weak(readers, readers + 1, std::memory_order_acq_rel));
  return true;
}

bool Crew::begin_call(std::uint32_t op) {
  const MutexLock lock(mutex_);
  if (running_ >= size_.executors || !queue_.try_begin(op)) return false;
  ++running_;
  return true;
}

void Crew::end_call(std::uint32_t op) {
  const MutexLock lock(mutex_);
  queue_.end(op);
  --running_;
  // This thread may go back to its connection: another one serves what waited for the place.
  assign_execution();
}

void Crew::queue(std::vector<TaskPtr>& tasks) {
  const bool started = duties_ != nullptr;  // else calls wait, and nothing more
  for (TaskPtr& task : tasks) {
    if (started) duties_->find_group(*task);
  }
  MutexLock lock(mutex_);
  for (TaskPtr& task : tasks) {
    // Who cancels a call marks it, and then looks for it in the queue: it may have been there
    // before the call is. It must not wait for a slot then.
    if (started && task->context.cancelled.load(std::memory_order_relaxed)) continue;
    if (!gatherings_.empty() && join_gathering(task)) continue;
    try {
      queue_.push(std::move(task));
    } catch (const std::bad_alloc&) {  // answered below, and no call behind it is lost
      continue;
    }
    assign_execution();
  }
  lock.unlock();
  for (TaskPtr& task : tasks) {
    if (task != nullptr) duties_->end_unqueued(std::move(task));
  }
  tasks.clear();
}

/// Puts a call with those of its group that wait for more.
bool Crew::join_gathering(TaskPtr& task) {
  for (Gathering* gathering : gatherings_) {
    std::vector<TaskPtr>& calls = *gathering->calls;
    const core::BatchGroup& group = calls.front()->group;
    if (calls.size() >= group.most || task->group != group) continue;
    calls.push_back(std::move(task));
    if (calls.size() == group.most) gathering->full.notify_one();
    return true;
  }
  return false;
}

/// Waits for more calls of the group, as long as the configuration lets a free slot wait. It is not
/// counted from the first call's arrival: who was answered just now comes back within that time,
/// while those who came meanwhile have waited for longer.
void Crew::await_more(std::vector<TaskPtr>& calls) {
  const core::BatchGroup& group = calls.front()->group;
  const std::chrono::steady_clock::time_point until{
      std::chrono::nanoseconds(now_ns() + group.delay_ns)};
  Gathering gathering{&calls, {}};
  try {
    calls.reserve(group.most);
  } catch (const std::bad_alloc&) {  // then without waiting
    return;
  }
  gatherings_.push_back(&gathering);
  while (calls.size() < group.most && !stopping_ && gathering.full.wait_until(mutex_, until)) {
  }
  std::erase(gatherings_, &gathering);
}

TaskPtr Crew::remove(const Connection* connection, std::uint64_t request) {
  const MutexLock lock(mutex_);
  return queue_.remove(connection, request);
}

std::vector<TaskPtr> Crew::remove_all(const Connection* connection) {
  const MutexLock lock(mutex_);
  return queue_.remove_all(connection);
}

Crew::Role Crew::next_role(Member& member) {
  const MutexLock lock(mutex_);
  if (stopping_) return Role::exit;
  if (watchers_.load() == 0) {
    watchers_.fetch_add(1);
    return Role::watch;
  }
  if (running_ < size_.executors && queue_.runnable()) {
    ++running_;
    return Role::execute;
  }
  member.role = Role::parked;
  parked_.push_back(&member);
  while (member.role == Role::parked) member.changed.wait(mutex_);
  return member.role;  // counted by the one who gave it
}

void Crew::run(Member& member) {
  Role role;
  {
    const MutexLock lock(mutex_);
    role = member.role;
  }
  for (; role != Role::exit; role = next_role(member)) {
    if (role == Role::watch) {
      member.worker.watching = true;
      duties_->watch(member.worker);
    } else {
      execute(member);
    }
  }
}

void Crew::execute(Member& member) {
  std::vector<TaskPtr>& calls = member.running;
  MutexLock lock(mutex_);
  while (!stopping_) {
    TaskPtr task = queue_.take();
    if (task == nullptr) break;
    const std::uint32_t op = task->op->id;
    calls.push_back(std::move(task));
    queue_.gather(calls);
    if (calls.front()->group.delay_ns != 0) await_more(calls);
    lock.unlock();
    duties_->execute(member.worker, calls);
    calls.clear();
    lock.lock();
    queue_.end(op);
    // A thread that is done looks after the watch before it takes another call.
    if (watchers_.load() == 0) break;
  }
  --running_;
  assign_execution();
}

void Crew::stop() {
  const MutexLock lock(mutex_);
  stopping_.store(true, std::memory_order_release);
  for (Member* member : parked_) {
    member->role = Role::exit;
    member->changed.notify_one();
  }
  parked_.clear();
  for (Gathering* gathering : gatherings_) gathering->full.notify_one();
}

void Crew::join() {
  for (std::size_t i = 0;; ++i) {
    std::thread* thread = nullptr;
    {
      const MutexLock lock(mutex_);
      if (i >= members_.size()) return;
      thread = &members_[i]->thread;
    }
    if (thread->joinable()) thread->join();
  }
}

std::size_t Crew::waiting(const Connection* connection) const {
  const MutexLock lock(mutex_);
  return queue_.count(connection);
}

bool Crew::idle() const {
  const MutexLock lock(mutex_);
  return running_ == 0 && queue_.size() == 0;
}

bool Crew::runs_calls() const {
  const MutexLock lock(mutex_);
  return running_ != 0;
}

std::size_t Crew::thread_count() const {
  const MutexLock lock(mutex_);
  return members_.size();
}

std::uint64_t Crew::activity() const {
  const MutexLock lock(mutex_);
  std::uint64_t sum = 0;
  for (const auto& member : members_) {
    sum += member->worker.activity.load(std::memory_order_relaxed);
  }
  return sum;
}

}  // namespace vac::agent
