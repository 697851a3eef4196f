// SPDX-License-Identifier: Apache-2.0
// The one thread of this plugin: it looks after calls that no thread waits for.
#pragma once

#include <poll.h>
#include <vac/result.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "base/mutex.hpp"

namespace vac::remote {

/// Waits for all of its clients at once, with all signals blocked. The thread starts with the first
/// client and stays until rest(). Thread-safe.
class Reactor {
 public:
  /// What a client waits for.
  struct Interest {
    short events = 0;                   ///< of its descriptor; 0: none, not even the end
    std::int64_t until_ns = INT64_MAX;  ///< CLOCK_MONOTONIC
  };
  /// Who is called by the thread when something has come of that.
  class Client {
   public:
    virtual int descriptor() const noexcept = 0;
    /// `ready`: there is something of its events; else its time has come, or it was woken.
    virtual Interest react(bool ready) noexcept = 0;

   protected:
    Client() = default;
    ~Client() = default;

   private:
    friend class Reactor;
    Client* next_ = nullptr;
    Interest interest_;  // the thread's alone
    std::atomic<bool> watched_{false};
    std::atomic<bool> woken_{false};
  };

  static Result<std::unique_ptr<Reactor>> create();
  Reactor(const Reactor&) = delete;
  Reactor& operator=(const Reactor&) = delete;
  /// When it has no clients.
  ~Reactor();

  /// From now on, until forget(); without effect on one that is watched already. False: there is no
  /// thread or memory for it.
  bool watch(Client& client) noexcept VAC_EXCLUDES(life_, mutex_);
  static bool watches(const Client& client) noexcept {
    return client.watched_.load(std::memory_order_acquire);
  }
  /// When this returns the thread has left the client. Not for the thread itself.
  void forget(Client& client) noexcept VAC_EXCLUDES(mutex_);
  /// Has it called soon. Any thread.
  void wake(Client& client) noexcept;
  /// Ends the thread, unless there are clients.
  void rest() noexcept VAC_EXCLUDES(life_, mutex_);

 private:
  explicit Reactor(Fd wake_event) : wake_event_(std::move(wake_event)) {}
  bool start_thread() VAC_REQUIRES(life_);
  void interrupt() noexcept;
  void serve() VAC_EXCLUDES(mutex_);
  bool line_up() VAC_EXCLUDES(mutex_);
  void wait();
  void call_clients();

  const Fd wake_event_;
  std::atomic<bool> asleep_{false};
  std::atomic<bool> interrupted_{false};

  Mutex life_;  // of the thread; before mutex_
  std::thread thread_ VAC_GUARDED_BY(life_);

  Mutex mutex_;
  CondVar lined_up_;
  Client* first_ VAC_GUARDED_BY(mutex_) = nullptr;
  std::size_t client_count_ VAC_GUARDED_BY(mutex_) = 0;
  bool ending_ VAC_GUARDED_BY(mutex_) = false;
  std::uint64_t rounds_ VAC_GUARDED_BY(mutex_) = 0;
  unsigned leaving_ VAC_GUARDED_BY(mutex_) = 0;  // who waits for the next round
  // Room for as many as there are, to be taken by the thread.
  std::vector<pollfd> spare_polled_ VAC_GUARDED_BY(mutex_);
  std::vector<Client*> spare_clients_ VAC_GUARDED_BY(mutex_);

  // The thread's, in each round: the clients, and what is polled for each, the event first.
  std::vector<pollfd> polled_;
  std::vector<Client*> clients_;
};

}  // namespace vac::remote
