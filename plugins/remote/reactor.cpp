// SPDX-License-Identifier: Apache-2.0
#include "reactor.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
#include <system_error>

#include "base/errno_error.hpp"
#include "poll_until.hpp"

namespace vac::remote {

Result<std::unique_ptr<Reactor>> Reactor::create() {
  Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return errno_error(errno, "cannot make an eventfd");
  return std::unique_ptr<Reactor>(new Reactor(std::move(event)));
}

Reactor::~Reactor() { rest(); }

bool Reactor::watch(Client& client) noexcept {
  if (client.watched_.load(std::memory_order_acquire)) [[likely]]
    return true;
  try {
    const MutexLock life(life_);
    if (client.watched_.load()) return true;
    {
      const MutexLock lock(mutex_);
      spare_polled_.reserve(client_count_ + 2);
      spare_clients_.reserve(client_count_ + 1);
    }
    if (!thread_.joinable() && !start_thread()) return false;
    client.woken_.store(true);  // to be asked what it waits for
    {
      const MutexLock lock(mutex_);
      client.next_ = first_;
      first_ = &client;
      ++client_count_;
    }
    client.watched_.store(true, std::memory_order_release);
  } catch (const std::bad_alloc&) {
    return false;
  }
  interrupt();
  return true;
}

/// The application's signals are for its own threads.
bool Reactor::start_thread() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = true;
  try {
    thread_ = std::thread([this] { serve(); });
  } catch (const std::system_error&) {
    started = false;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

void Reactor::forget(Client& client) noexcept {
  if (!client.watched_.exchange(false)) return;
  const MutexLock lock(mutex_);
  Client** link = &first_;
  while (*link != &client) link = &(*link)->next_;
  *link = client.next_;
  --client_count_;
  // What the thread has lined up may still have it.
  const std::uint64_t round = rounds_;
  ++leaving_;
  interrupt();
  while (rounds_ == round) lined_up_.wait(mutex_);
  --leaving_;
}

void Reactor::rest() noexcept {
  const MutexLock life(life_);
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    if (first_ != nullptr) return;
    ending_ = true;
  }
  interrupt();
  thread_.join();
  const MutexLock lock(mutex_);
  ending_ = false;
}

void Reactor::wake(Client& client) noexcept {
  if (!client.woken_.exchange(true)) interrupt();
}

/// The thread says that it is about to sleep before it looks whether it is interrupted.
void Reactor::interrupt() noexcept {
  if (interrupted_.exchange(true)) return;
  if (asleep_.load()) (void)::eventfd_write(wake_event_.get(), 1);
}

void Reactor::serve() {
  while (line_up()) {
    wait();
    call_clients();
  }
}

/// False: the thread is to end.
bool Reactor::line_up() {
  const MutexLock lock(mutex_);
  ++rounds_;
  if (leaving_ != 0) lined_up_.notify_all();
  if (ending_) return false;
  // The larger room is the newer one.
  if (spare_polled_.capacity() > polled_.capacity()) polled_.swap(spare_polled_);
  if (spare_clients_.capacity() > clients_.capacity()) clients_.swap(spare_clients_);
  polled_.clear();
  clients_.clear();
  polled_.push_back({wake_event_.get(), POLLIN, 0});
  for (Client* client = first_; client != nullptr; client = client->next_) {
    const Interest& interest = client->interest_;
    // Of one that is new the interruption may have gone to a round without it.
    if (client->woken_.load()) interrupted_.store(true);
    clients_.push_back(client);
    polled_.push_back({interest.events == 0 ? -1 : client->descriptor(), interest.events, 0});
  }
  return true;
}

void Reactor::wait() {
  std::int64_t until = INT64_MAX;
  for (const Client* client : clients_) until = std::min(until, client->interest_.until_ns);
  asleep_.store(true);
  if (interrupted_.exchange(false)) until = 1;  // of the past: looks, and does not wait
  (void)poll_until(polled_, until == INT64_MAX ? 0 : until);
  asleep_.store(false);
  if (polled_[0].revents == 0) return;
  interrupted_.store(false);
  eventfd_t count = 0;
  (void)::eventfd_read(wake_event_.get(), &count);
}

void Reactor::call_clients() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    Client& client = *clients_[i];
    const bool ready = polled_[i + 1].revents != 0;
    const bool woken = client.woken_.exchange(false);
    const std::int64_t until = client.interest_.until_ns;
    if (ready || woken || (until != INT64_MAX && now_ns() >= until)) {
      client.interest_ = client.react(ready);
    }
  }
}

}  // namespace vac::remote
