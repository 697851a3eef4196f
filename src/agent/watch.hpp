// SPDX-License-Identifier: Apache-2.0
// Which thread reads which connection when (docs/decisions/0001-agent-threads.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "agent/connection.hpp"
#include "agent/crew.hpp"
#include "agent/services.hpp"
#include "base/mutex.hpp"
#include "transport/channel.hpp"

namespace vac::agent {

/// The watcher takes events of all connections, reads without blocking and runs quick calls at
/// once. A connection that comes back often gets a thread of its own for a while, which costs no
/// epoll at all. Other calls run on the thread that read them, if it is alone, or on another.
/// Thread-safe.
class Watch final : public Crew::Duties {
 public:
  explicit Watch(Services& services) : services_(services) {}

  /// Before the crew starts. `config` outlives this object.
  Status add_listener(const ListenerConfig& config, std::unique_ptr<transport::Listener> listener);
  /// No new connections from now on; the listeners are gone when this returns.
  void close_listeners();
  /// No input is read from now on; calls that were read go on.
  void drain() noexcept { draining_.store(true, std::memory_order_release); }

  void watch(Worker& worker) override;
  void hand_over(Worker& worker) override;
  void find_group(CallTask& task) override;
  void end_unqueued(TaskPtr task) override;
  void execute(Worker& worker, std::vector<TaskPtr>& calls) override;

 private:
  struct Door {
    explicit Door(const ListenerConfig& served) : config(served) {}
    const ListenerConfig& config;
    Mutex mutex;                                                          // one thread accepts
    std::unique_ptr<transport::Listener> listener VAC_GUARDED_BY(mutex);  // null when closed
    bool paused VAC_GUARDED_BY(mutex) = false;
    bool failing VAC_GUARDED_BY(mutex) = false;  // and that is in the log
  };
  enum class After : std::uint8_t { kept, given_back, ended };
  struct Service {
    bool keep = false;        ///< come back at once, still the owner, if only quick calls came
    bool may_block = false;   ///< a long frame may be waited for
    bool to_the_end = false;  ///< the stream may have ended: read until the system says so
  };

  bool halted() const noexcept {
    return draining_.load(std::memory_order_relaxed) || services_.crew.stopping();
  }
  void accept(std::uint32_t index);
  Status accept_one(Door& door) VAC_REQUIRES(door.mutex);
  void admit(const ListenerConfig& config, std::unique_ptr<transport::Channel> channel);
  void on_timer(Worker& worker);
  void flush_outputs();
  void on_connection(Worker& worker, const Poller::Event& event, bool last);
  After serve(Connection& connection, Worker& worker, Service how);
  bool receive_rest(Connection& connection, Worker& worker);
  void stick(const std::shared_ptr<Connection>& connection, Worker& worker);
  bool reclaim(Connection& connection);
  bool run_calls(Worker& worker, bool want_back);
  void end(Connection& connection, Worker& worker);
  void finish_batch(Worker& worker);

  Services& services_;
  std::deque<Door> doors_;
  std::atomic<bool> draining_{false};
  std::atomic<std::uint64_t> events_{0};
};

}  // namespace vac::agent
