// SPDX-License-Identifier: Apache-2.0
#include "agent/watch.hpp"

#include <array>
#include <new>
#include <utility>

#include "agent/call_run.hpp"
#include "agent/clock.hpp"
#include "agent/connection_table.hpp"
#include "agent/follower.hpp"
#include "agent/housekeeping.hpp"
#include "agent/refusal_log.hpp"
#include "base/log.hpp"
#include "base/processor.hpp"
#include "base/text.hpp"

namespace vac::agent {

using transport::Wait;

namespace {

/// A connection that returns within so many events is worth a thread.
constexpr std::uint64_t kStickyDistance = 256;
/// From this much of a frame on, epoll is silenced while it is received: each piece that arrives
/// would wake the watcher.
constexpr std::size_t kSilentRest = 64 * 1024;
/// Reads of one connection in a row, before others get their turn.
constexpr int kReadsInARow = 16;
constexpr int kAcceptsInARow = 64;

/// After a receive of a thread that stays with the connection.
void follow(Connection& connection, Follower& follower) {
  const int there = connection.caller_processor();
  if (there < 0 || !follower.is_to_move(there, current_processor())) return;
  if (!move_to_processor(there)) connection.caller_calls_from(-1);
}

}  // namespace

Status Watch::add_listener(const ListenerConfig& config,
                           std::unique_ptr<transport::Listener> listener) {
  Door& door = doors_.emplace_back(config);
  const MutexLock lock(door.mutex);
  door.listener = std::move(listener);
  return services_.poller.add_listener(door.listener->descriptor(),
                                       static_cast<std::uint32_t>(doors_.size() - 1));
}

void Watch::close_listeners() {
  for (Door& door : doors_) {
    const MutexLock lock(door.mutex);
    if (door.listener == nullptr) continue;
    services_.poller.remove_listener(door.listener->descriptor());
    door.listener.reset();
  }
}

void Watch::watch(Worker& worker) {
  std::array<Poller::Event, Poller::kMostEvents> events;
  while (worker.watching && !services_.crew.stopping()) {
    const std::size_t count = services_.poller.wait(events);
    services_.housekeeping.watch_idleness();
    // Who leaves the watch on the way has handed over what is left.
    for (std::size_t i = 0; i < count && worker.watching && !services_.crew.stopping(); ++i) {
      worker.left = std::span(events).first(count).subspan(i + 1);
      switch (events[i].kind) {
        case Poller::Kind::connection:
          on_connection(worker, events[i], i + 1 == count);
          break;
        case Poller::Kind::listener:
          accept(events[i].listener);
          break;
        case Poller::Kind::output:
          flush_outputs();
          break;
        case Poller::Kind::timer:
          on_timer(worker);
          break;
        case Poller::Kind::wake:
          break;
      }
    }
    worker.left = {};
    finish_batch(worker);
  }
  services_.crew.leave_watch(worker);
}

/// Input that was there when the batch began is an event again, for who watches now. All other
/// events are level-triggered.
void Watch::hand_over(Worker& worker) {
  for (const Poller::Event& event : std::exchange(worker.left, {})) {
    if (event.kind != Poller::Kind::connection) continue;
    if (const auto connection = services_.connections.find(event.connection)) connection->listen();
  }
}

/// Calls that were read wait for the rest of their batch of events, which is quick, so that no
/// event waits for a call. The same holds for the ends of connections, where plugins close their
/// sessions; nor does such an end wait for a call.
void Watch::finish_batch(Worker& worker) {
  if (worker.calls.empty() && worker.ended.empty()) return;
  if (worker.ended.empty()) {
    services_.crew.leave_watch(worker);
    run_calls(worker, false);
  } else {
    services_.crew.step_aside(worker);
    worker.ended.clear();
  }
}

void Watch::accept(std::uint32_t index) {
  Door& door = doors_[index];
  const MutexLock lock(door.mutex);
  for (int i = 0; i < kAcceptsInARow && door.listener != nullptr && !halted(); ++i) {
    const Status accepted = accept_one(door);
    if (accepted) {
      door.failing = false;
      continue;
    }
    if (accepted.error().code() == Errc::again) return;
    if (!std::exchange(door.failing, true)) {
      services_.refusals.write(now_ns(), LogLevel::error, accepted.error().message());
    }
    services_.poller.pause_listener(door.listener->descriptor(), index);
    door.paused = true;
    services_.housekeeping.watch_time();  // its tick tries again
    return;
  }
}

/// VAC_EAGAIN: nobody waits.
Status Watch::accept_one(Door& door) {
  try {
    VAC_TRY(auto channel, door.listener->accept());
    if (channel == nullptr) return Error{Errc::again, {}};
    admit(door.config, std::move(channel));
    return {};
  } catch (const std::bad_alloc&) {
    return Error{Errc::no_memory};
  }
}

void Watch::admit(const ListenerConfig& config, std::unique_ptr<transport::Channel> channel) {
  const int fd = channel->descriptor();
  const auto connection = std::make_shared<Connection>(services_, config, std::move(channel));
  if (!services_.connections.insert(connection)) {
    connection->say_goodbye(VAC_EMFILE, "the agent has as many connections as it takes: try later");
    return;
  }
  services_.housekeeping.watch_time();  // until hello has come
  const Status added = services_.poller.add_connection(fd, connection->tag());
  if (!added && connection->take()) {
    log_error(added.error().message());
    connection->end();
  }
}

void Watch::on_timer(Worker& worker) {
  services_.poller.clear_timer();
  for (std::uint32_t index = 0; index < doors_.size(); ++index) {
    Door& door = doors_[index];
    const MutexLock lock(door.mutex);
    if (door.listener == nullptr || !std::exchange(door.paused, false)) continue;
    services_.poller.resume_listener(door.listener->descriptor(), index);
  }
  const std::int64_t now = now_ns();
  try {
    if (!services_.housekeeping.tick(now)) return;
    services_.crew.step_aside(worker);  // unloading a model takes its time
    worker.ended.clear();
    services_.housekeeping.trim(now);
  } catch (const std::bad_alloc&) {  // the next tick finds what this one has left
    services_.refusals.write(now, LogLevel::error, "no memory is left");
  }
}

void Watch::flush_outputs() {
  std::array<ConnectionTag, Poller::kMostEvents> tags;
  const std::size_t count = services_.poller.take_writable(tags);
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto connection = services_.connections.find(tags[i])) connection->flush();
  }
}

void Watch::end(Connection& connection, Worker& worker) {
  worker.ended.push_back(connection.end());
}

/// An event of a connection. With the last one of several the thread may leave the watch and stay
/// with the connection for a while.
void Watch::on_connection(Worker& worker, const Poller::Event& event, bool last) {
  // While the agent drains, calls whose clients have gone must not keep it.
  if (halted() && !event.ended) return;
  Connection* const taken = services_.connections.take(event.connection);
  if (taken == nullptr) return;
  const std::uint64_t number =
      events_.fetch_add(1, std::memory_order_relaxed) + kStickyDistance + 1;
  const std::uint64_t before = taken->exchange_event(number);
  const bool free = last && worker.calls.empty() && worker.ended.empty();
  const bool want = free && number - before <= kStickyDistance && services_.crew.may_read();
  if (!want || event.ended) {
    serve(*taken, worker, {.may_block = last, .to_the_end = event.ended});
    return;
  }
  const std::shared_ptr<Connection> connection = taken->shared_from_this();
  const After after = serve(*connection, worker, {.keep = true, .may_block = last});
  if (after == After::kept) {
    if (services_.crew.begin_reading()) {
      services_.crew.leave_watch(worker);
      connection->silence();
      stick(connection, worker);
    } else {
      serve(*connection, worker, {.may_block = last});  // it may have more
    }
  } else if (after == After::given_back && worker.calls.size() == 1) {
    services_.crew.leave_watch(worker);
    if (run_calls(worker, true)) stick(connection, worker);
  }
}

/// Reads and answers a connection that this thread owns, until there is no more. A receive that
/// brings less than it could has emptied the socket, but for the end of the stream: an event that
/// told of both comes no second time.
Watch::After Watch::serve(Connection& connection, Worker& worker, Service how) {
  for (int reads = 1;; ++reads) {
    const Connection::Received received = connection.receive(worker, Wait::now);
    bool drained = received.drained && (!how.to_the_end || received.what != Connection::Read::some);
    bool ended = received.what == Connection::Read::ended;
    if (!ended && how.may_block && connection.long_frame_rest() != 0 &&
        services_.crew.begin_reading()) {
      services_.crew.step_aside(worker);
      connection.send_replies(worker);
      drained = connection.long_frame_rest() >= kSilentRest;
      ended = !receive_rest(connection, worker);
      services_.crew.end_reading();
    }
    connection.send_replies(worker);
    if (ended) {
      end(connection, worker);
      return After::ended;
    }
    if (how.keep && worker.calls.empty()) return After::kept;
    if (!drained && reads < kReadsInARow) continue;
    // Input that is there already is an event again, behind those of others.
    if (!drained) connection.listen();
    if (connection.give_back()) return After::given_back;
    how.to_the_end = true;  // what has come meanwhile may be the end
  }
}

/// The rest of a long frame, straight to its place, as long as it keeps coming. False: the stream
/// ended.
bool Watch::receive_rest(Connection& connection, Worker& worker) {
  const bool silent = connection.long_frame_rest() >= kSilentRest;
  if (silent) connection.silence();
  const Connection::Received received = connection.receive(worker, Wait::block);
  if (received.what == Connection::Read::ended) return false;
  // Looks at readiness itself, so that what has come meanwhile is an event.
  if (silent) connection.listen();
  return true;
}

/// Blocks on one connection as long as it is busy. This thread owns it, counts as a reader, and
/// epoll is silent about it.
void Watch::stick(const std::shared_ptr<Connection>& connection, Worker& worker) {
  Follower follower;
  for (;;) {
    const Connection::Received received = connection->receive(worker, Wait::block);
    follow(*connection, follower);
    connection->send_replies(worker);
    if (received.what == Connection::Read::some && worker.calls.empty() && !halted()) continue;
    if (received.what == Connection::Read::ended) {
      services_.crew.end_reading();
      end(*connection, worker);
      return;
    }
    // First the events, then the word: what comes in between makes giving back fail.
    connection->listen();
    After after = After::given_back;
    if (!connection->give_back()) after = serve(*connection, worker, {.to_the_end = true});
    services_.crew.end_reading();
    if (worker.calls.empty() || after == After::ended || !run_calls(worker, true)) return;
  }
}

/// Takes a connection back whose call has been run, unless its client has gone on already.
bool Watch::reclaim(Connection& connection) {
  if (halted() || !services_.crew.begin_reading()) return false;
  if (connection.take()) {
    connection.silence();
    return true;
  }
  services_.crew.end_reading();
  return false;
}

/// Runs or queues what was read. A single call runs here, if nothing waits before it. True, only if
/// wanted: this thread owns that call's connection again, and counts as a reader.
bool Watch::run_calls(Worker& worker, bool want_back) {
  if (worker.calls.empty()) return false;
  const std::uint32_t op = worker.calls.front()->op->id;
  if (worker.calls.size() != 1 || !services_.crew.begin_call(op)) {
    services_.crew.queue(worker.calls);
    return false;
  }
  TaskPtr task = std::move(worker.calls.front());
  worker.calls.clear();
  const std::shared_ptr<Connection> connection = task->connection;
  bool owned = false;
  if (!connection->hold(task)) {
    run_call(*connection, *task, now_ns());
    // Before the reply leaves, which the client may answer with the next call at once.
    owned = want_back && reclaim(*connection);
    connection->finish(std::move(task));
  }
  services_.crew.end_call(op);
  return owned;
}

void Watch::find_group(CallTask& task) {
  if (task.op->control()) return;
  const Connection& connection = *task.connection;
  task.group = connection.session().batch_group(task.call, task.context);
  task.group.tenant = &connection.tenant();
}

void Watch::end_unqueued(TaskPtr task) {
  const std::shared_ptr<Connection> connection = task->connection;
  if (task->context.cancelled.load(std::memory_order_relaxed)) {
    run_call(*connection, *task, now_ns());  // says so
  } else {
    fail_without_memory(*connection, *task);
  }
  connection->finish(std::move(task));
}

void Watch::execute(Worker& /*worker*/, std::vector<TaskPtr>& calls) {
  std::erase_if(calls, [](TaskPtr& task) {
    const std::shared_ptr<Connection> connection = task->connection;
    return connection->hold(task);
  });
  if (calls.size() == 1) {
    run_call(*calls.front()->connection, *calls.front(), now_ns());
  } else {
    run_batch(calls, now_ns());
  }
  for (TaskPtr& task : calls) {
    const std::shared_ptr<Connection> connection = task->connection;
    connection->finish(std::move(task));
  }
}

}  // namespace vac::agent
