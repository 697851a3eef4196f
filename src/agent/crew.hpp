// SPDX-License-Identifier: Apache-2.0
// The agent's threads: one watches all connections, some run calls, the others are parked.
#pragma once

#include <vac/result.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "agent/call_queue.hpp"
#include "agent/worker.hpp"
#include "base/mutex.hpp"

namespace vac::agent {

/// Gives threads their roles. Threads are started on demand, executors + readers + 1 at most, and
/// stay.
///
/// Somebody always watches: a watcher leaves the watch before anything that may block, and who was
/// the last one appoints a successor. There may be none to appoint for a moment; then a thread that
/// ends what it does finds that nobody watches, before it looks for calls. Thread-safe.
class Crew {
 public:
  struct Size {
    unsigned executors;  ///< calls that run at the same time
    unsigned readers;    ///< threads that may block on one connection's input
  };
  /// What the threads do. Called by many threads at once.
  class Duties {
   public:
    /// Watches until it has left the watch or the crew stops.
    virtual void watch(Worker& worker) = 0;
    /// Of a thread that leaves the watch: gives what it has not looked at yet to who watches then.
    virtual void hand_over(Worker& worker) = 0;
    /// Sets the group of a call that is about to be queued.
    virtual void find_group(CallTask& task) = 0;
    /// Answers a call that was cancelled before it was queued, or for which the queue had no
    /// memory.
    virtual void end_unqueued(TaskPtr task) = 0;
    /// Runs one call to its end, or several of one group.
    virtual void execute(Worker& worker, std::vector<TaskPtr>& calls) = 0;

   protected:
    ~Duties() = default;
  };

  Crew(Size size, SlabPool& slabs) : size_(size), slabs_(slabs) {}
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  /// Of all calls of an operation; before start(). See CallQueue.
  void set_limit(std::uint32_t op, std::uint32_t calls) VAC_EXCLUDES(mutex_);
  void set_delayed(std::uint32_t op) VAC_EXCLUDES(mutex_);
  /// `duties` outlives the threads.
  Status start(Duties& duties) VAC_EXCLUDES(mutex_);

  /// Before anything that may block. Without effect on a thread that does not watch.
  void leave_watch(Worker& worker) VAC_EXCLUDES(mutex_);
  /// Before something long that is no call: others watch, and run the calls that this thread has
  /// read.
  void step_aside(Worker& worker) VAC_EXCLUDES(mutex_);
  /// Leave to block on one connection's input; false when as many do already.
  bool begin_reading() noexcept;
  void end_reading() noexcept { readers_.fetch_sub(1, std::memory_order_acq_rel); }
  bool may_read() const noexcept {
    return readers_.load(std::memory_order_relaxed) < size_.readers;
  }

  /// Leave to run a call on the calling thread; false when it must be queued.
  bool begin_call(std::uint32_t op) VAC_EXCLUDES(mutex_);
  void end_call(std::uint32_t op) VAC_EXCLUDES(mutex_);
  /// Queues the calls for the executors; the list is empty afterwards.
  void queue(std::vector<TaskPtr>& tasks) VAC_EXCLUDES(mutex_);
  TaskPtr remove(const Connection* connection, std::uint64_t request) VAC_EXCLUDES(mutex_);
  std::vector<TaskPtr> remove_all(const Connection* connection) VAC_EXCLUDES(mutex_);

  /// No thread takes another role from now on; watchers must be woken by the caller.
  void stop() VAC_EXCLUDES(mutex_);
  /// Waits for the threads' ends, after stop().
  void join() VAC_EXCLUDES(mutex_);
  bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

  /// How many calls of a connection wait for a thread or a slot.
  std::size_t waiting(const Connection* connection) const VAC_EXCLUDES(mutex_);
  /// Whether no call runs and none waits.
  bool idle() const VAC_EXCLUDES(mutex_);
  /// Whether some thread runs a call; those that wait when the crew stops are never run.
  bool runs_calls() const VAC_EXCLUDES(mutex_);
  std::size_t thread_count() const VAC_EXCLUDES(mutex_);
  /// A number that changes whenever some connection has sent something.
  std::uint64_t activity() const VAC_EXCLUDES(mutex_);

 private:
  /// Calls of one group that wait for more of it; on the stack of the thread that will run them.
  struct Gathering {
    std::vector<TaskPtr>* calls;
    CondVar full;
  };
  enum class Role : std::uint8_t { parked, watch, execute, exit };
  struct Member {
    explicit Member(SlabPool& slabs) : worker(slabs) { running.reserve(1); }
    Worker worker;
    std::vector<TaskPtr> running;  // the thread's, which has room for a call at any time
    CondVar changed;
    Role role = Role::parked;  // guarded by mutex_
    std::thread thread;
  };

  void run(Member& member) VAC_EXCLUDES(mutex_);
  Role next_role(Member& member) VAC_EXCLUDES(mutex_);
  void execute(Member& member) VAC_EXCLUDES(mutex_);
  void await_more(std::vector<TaskPtr>& calls) VAC_REQUIRES(mutex_);
  bool join_gathering(TaskPtr& task) VAC_REQUIRES(mutex_);
  bool assign(Role role) VAC_REQUIRES(mutex_);
  void assign_execution() VAC_REQUIRES(mutex_);

  const Size size_;
  SlabPool& slabs_;
  Duties* duties_ = nullptr;
  std::atomic<bool> stopping_{false};
  std::atomic<unsigned> watchers_{0};  // raised under mutex_ only
  std::atomic<unsigned> readers_{0};
  mutable Mutex mutex_;
  std::vector<std::unique_ptr<Member>> members_ VAC_GUARDED_BY(mutex_);
  std::vector<Member*> parked_ VAC_GUARDED_BY(mutex_);
  CallQueue queue_ VAC_GUARDED_BY(mutex_);
  std::vector<Gathering*> gatherings_ VAC_GUARDED_BY(mutex_);
  unsigned running_ VAC_GUARDED_BY(mutex_) = 0;  // executors, and others that run a call
};

}  // namespace vac::agent
