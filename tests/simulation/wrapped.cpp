// SPDX-License-Identifier: Apache-2.0
// What the product asks of the system, answered by the scheduler where its threads ask. The linker
// replaces the functions in this program's own objects (CMakeLists.txt has the list); the C++
// library's own calls stay as they are.
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "simulation/scheduler.hpp"
#include "simulation/system_calls.hpp"

using vac::simulation::Scheduler;

namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::int64_t kMillisecondNs = 1'000'000;

std::int64_t ns_of(const timespec& time) {
  return std::int64_t{time.tv_sec} * kSecondNs + time.tv_nsec;
}
timespec timespec_of(std::int64_t ns) {
  return {static_cast<time_t>(ns / kSecondNs), static_cast<long>(ns % kSecondNs)};
}

int fail_with(int number) {
  errno = number;
  return -1;
}

/// Tries without waiting until something comes; `attempt` gives 0 for "not yet".
template <class Attempt>
int wait_until_ready(Scheduler& scheduler, std::int64_t deadline_ns, Attempt attempt) {
  for (;;) {
    const int ready = attempt();
    if (ready != 0) return ready;
    switch (scheduler.wait_for_descriptors(deadline_ns, true)) {
      case Scheduler::Woken::notified:
        break;
      case Scheduler::Woken::interrupted:
        return fail_with(EINTR);
      case Scheduler::Woken::timed_out:
        return attempt();
    }
  }
}

/// Says what a call of the system has given, and passes it on.
template <class Call>
auto traced(const Scheduler& scheduler, const char* name, int fd, Call call) {
  const auto result = call();
  const int number = errno;
  scheduler.trace(name, fd, static_cast<long>(result));
  errno = number;
  return result;
}

std::size_t total(const msghdr& message) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < message.msg_iovlen; ++i) bytes += message.msg_iov[i].iov_len;
  return bytes;
}

/// The first `bytes` of a message.
class ShortMessage {
 public:
  ShortMessage(const msghdr& message, std::size_t bytes)
      : pieces_(message.msg_iov, message.msg_iov + message.msg_iovlen), message_(message) {
    for (iovec& piece : pieces_) {
      piece.iov_len = std::min(piece.iov_len, bytes);
      bytes -= piece.iov_len;
    }
    message_.msg_iov = pieces_.data();
  }
  msghdr& get() { return message_; }

 private:
  std::vector<iovec> pieces_;
  msghdr message_;
};

/// How much of a send of `bytes` the weather lets through. A receive is never cut: that it brought
/// less than there was room for means that there is no more (epoll(7)).
std::size_t some_of(Scheduler& scheduler, std::size_t bytes) {
  if (bytes < 2 || !scheduler.random().one_in(scheduler.weather().short_sends)) return bytes;
  return 1 + scheduler.random().below(bytes - 1);
}

/// A transfer that waits at most so long, 0 for ever. `transfer` itself never waits.
template <class Transfer>
ssize_t transfer_in_time(Scheduler& scheduler, std::int64_t timeout, int flags, Transfer transfer) {
  const std::int64_t deadline = timeout == 0 ? Scheduler::kForever : scheduler.now_ns() + timeout;
  for (;;) {
    const ssize_t bytes = transfer();
    if (bytes >= 0) scheduler.touch();
    if (bytes >= 0 || errno != EAGAIN || (flags & MSG_DONTWAIT) != 0) return bytes;
    switch (scheduler.wait_for_descriptors(deadline, true)) {
      case Scheduler::Woken::notified:
        break;
      case Scheduler::Woken::interrupted:
        return fail_with(EINTR);
      case Scheduler::Woken::timed_out:
        return transfer();
    }
  }
}

long futex(Scheduler& scheduler, long address, long operation, long value, long time) {
  const auto* word = reinterpret_cast<const std::uint32_t*>(address);
  if ((operation & FUTEX_CMD_MASK) == FUTEX_WAKE) {
    const auto most = static_cast<unsigned>(value);
    const unsigned woken = scheduler.notify(word, most);
    scheduler.step();
    return woken;
  }
  scheduler.step();
  if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != static_cast<std::uint32_t>(value)) {
    return fail_with(EAGAIN);
  }
  std::int64_t deadline = Scheduler::kForever;
  if (time != 0) {
    deadline = std::max<std::int64_t>(ns_of(*reinterpret_cast<const timespec*>(time)), 1);
    if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT) deadline += scheduler.now_ns();  // relative
  }
  switch (scheduler.wait(word, deadline, true)) {
    case Scheduler::Woken::timed_out:
      return fail_with(ETIMEDOUT);
    case Scheduler::Woken::interrupted:
      return fail_with(EINTR);
    default:
      return 0;
  }
}

/// Runs a thread's body as a thread of the simulation.
class SimulatedState final : public std::thread::_State {
 public:
  SimulatedState(std::unique_ptr<std::thread::_State> body, Scheduler& scheduler,
                 Scheduler::Thread* thread)
      : body_(std::move(body)), scheduler_(scheduler), thread_(thread) {}
  void _M_run() override {
    scheduler_.enter(thread_);
    body_->_M_run();
    body_.reset();
    scheduler_.leave();
  }

 private:
  std::unique_ptr<std::thread::_State> body_;
  Scheduler& scheduler_;
  Scheduler::Thread* thread_;
};

/// Of threads that have been started and not joined. The running thread's alone.
std::map<std::thread::native_handle_type, Scheduler::Thread*>& started() {
  static auto* const threads = new std::map<std::thread::native_handle_type, Scheduler::Thread*>;
  return *threads;
}

}  // namespace

// NOLINTBEGIN(readability-identifier-naming,bugprone-reserved-identifier): the linker's names
extern "C" {

int __wrap_pthread_mutex_lock(pthread_mutex_t* mutex) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_pthread_mutex_lock(mutex);
  scheduler->step();
  while (__real_pthread_mutex_trylock(mutex) == EBUSY) scheduler->wait(mutex, Scheduler::kForever);
  return 0;
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t* mutex) {
  if (Scheduler* const scheduler = Scheduler::current()) scheduler->step();
  return __real_pthread_mutex_trylock(mutex);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t* mutex) {
  Scheduler* const scheduler = Scheduler::current();
  const int result = __real_pthread_mutex_unlock(mutex);
  if (scheduler == nullptr) return result;
  scheduler->notify(mutex, 1);
  scheduler->step();
  return result;
}

void __real__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    std::condition_variable*, std::unique_lock<std::mutex>&);
void __wrap__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(
    std::condition_variable* condition, std::unique_lock<std::mutex>& lock) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) {
    return __real__ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE(condition, lock);
  }
  // Waiting and letting go are one step: nobody runs in between.
  pthread_mutex_t* const mutex = lock.mutex()->native_handle();
  __real_pthread_mutex_unlock(mutex);
  scheduler->notify(mutex, 1);
  scheduler->wait(condition, Scheduler::kForever);
  __wrap_pthread_mutex_lock(mutex);
}

int __real_pthread_cond_clockwait(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
int __wrap_pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                                  clockid_t clock, const timespec* until) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) {
    return __real_pthread_cond_clockwait(condition, mutex, clock, until);
  }
  __real_pthread_mutex_unlock(mutex);
  scheduler->notify(mutex, 1);
  const auto woken = scheduler->wait(condition, std::max<std::int64_t>(ns_of(*until), 1));
  __wrap_pthread_mutex_lock(mutex);
  return woken == Scheduler::Woken::timed_out ? ETIMEDOUT : 0;
}

void __real__ZNSt18condition_variable10notify_oneEv(std::condition_variable*) noexcept;
void __wrap__ZNSt18condition_variable10notify_oneEv(std::condition_variable* condition) noexcept {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real__ZNSt18condition_variable10notify_oneEv(condition);
  scheduler->notify(condition, 1);
  scheduler->step();
}

void __real__ZNSt18condition_variable10notify_allEv(std::condition_variable*) noexcept;
void __wrap__ZNSt18condition_variable10notify_allEv(std::condition_variable* condition) noexcept {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real__ZNSt18condition_variable10notify_allEv(condition);
  scheduler->notify(condition, ~0U);
  scheduler->step();
}

void __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread*, std::unique_ptr<std::thread::_State>, void (*)());
void __wrap__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
    std::thread* thread, std::unique_ptr<std::thread::_State> body, void (*depend)()) {
  Scheduler* const scheduler = Scheduler::current();
  Scheduler::Thread* simulated = nullptr;
  if (scheduler != nullptr) {
    simulated = scheduler->add_thread();
    body = std::make_unique<SimulatedState>(std::move(body), *scheduler, simulated);
  }
  __real__ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE(
      thread, std::move(body), depend);
  if (scheduler == nullptr) return;
  started()[thread->native_handle()] = simulated;
  scheduler->step();
}

void __real__ZNSt6thread4joinEv(std::thread*);
void __wrap__ZNSt6thread4joinEv(std::thread* thread) {
  if (Scheduler* const scheduler = Scheduler::current()) {
    const auto found = started().find(thread->native_handle());
    if (found != started().end()) {
      scheduler->wait_for_end(found->second);
      started().erase(thread->native_handle());
    }
  }
  __real__ZNSt6thread4joinEv(thread);
}

std::int64_t __real__ZNSt6chrono3_V212steady_clock3nowEv() noexcept;
std::int64_t __wrap__ZNSt6chrono3_V212steady_clock3nowEv() noexcept {
  const Scheduler* const scheduler = Scheduler::current();
  return scheduler == nullptr ? __real__ZNSt6chrono3_V212steady_clock3nowEv() : scheduler->now_ns();
}

int __wrap_clock_gettime(clockid_t clock, timespec* time) {
  const Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_clock_gettime(clock, time);
  *time = timespec_of(scheduler->now_ns());
  return 0;
}

int __wrap_nanosleep(const timespec* duration, timespec* rest) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_nanosleep(duration, rest);
  scheduler->wait(duration, scheduler->now_ns() + ns_of(*duration));
  return 0;
}

long __wrap_syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  std::array<long, 6> arguments{};
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  const auto& [a, b, c, d, e, f] = arguments;
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler != nullptr && number == SYS_futex) return futex(*scheduler, a, b, c, d);
  return __real_syscall(number, a, b, c, d, e, f);
}

int __wrap_epoll_wait(int set, epoll_event* events, int most, int timeout_ms) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr || timeout_ms == 0) {
    return __real_epoll_wait(set, events, most, timeout_ms);
  }
  scheduler->step();
  const std::int64_t deadline =
      timeout_ms < 0 ? Scheduler::kForever : scheduler->now_ns() + timeout_ms * kMillisecondNs;
  return wait_until_ready(*scheduler, deadline, [&] {
    return traced(*scheduler, "epoll_wait", set,
                  [&] { return __real_epoll_wait(set, events, most, 0); });
  });
}

int __wrap_ppoll(pollfd* descriptors, nfds_t count, const timespec* timeout,
                 const sigset_t* signals) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_ppoll(descriptors, count, timeout, signals);
  scheduler->step();
  const std::int64_t deadline =
      timeout == nullptr ? Scheduler::kForever
                         : scheduler->now_ns() + std::max<std::int64_t>(ns_of(*timeout), 1);
  return wait_until_ready(*scheduler, deadline, [&] {
    const timespec now{};
    return __real_ppoll(descriptors, count, &now, signals);
  });
}

int __wrap_epoll_ctl(int set, int operation, int fd, epoll_event* event) {
  if (Scheduler* const scheduler = Scheduler::current()) {
    scheduler->step();
    scheduler->touch();
    scheduler->trace("epoll_ctl", fd, operation);
  }
  return __real_epoll_ctl(set, operation, fd, event);
}

int __wrap_timerfd_settime(int fd, int flags, const itimerspec* value, itimerspec* old) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_timerfd_settime(fd, flags, value, old);
  scheduler->set_timer(fd, ns_of(value->it_value), ns_of(value->it_interval));
  return 0;
}

int __wrap_eventfd_write(int fd, eventfd_t value) {
  if (Scheduler* const scheduler = Scheduler::current()) scheduler->touch();
  return __real_eventfd_write(fd, value);
}

ssize_t __wrap_write(int fd, const void* bytes, size_t count) {
  if (Scheduler* const scheduler = Scheduler::current()) scheduler->touch();
  return __real_write(fd, bytes, count);
}

ssize_t __wrap_recv(int fd, void* bytes, size_t count, int flags) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_recv(fd, bytes, count, flags);
  scheduler->step();
  return transfer_in_time(*scheduler, scheduler->receive_timeout(fd), flags, [&] {
    return traced(*scheduler, "recv", fd,
                  [&] { return __real_recv(fd, bytes, count, flags | MSG_DONTWAIT); });
  });
}

ssize_t __wrap_recvmsg(int fd, msghdr* message, int flags) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_recvmsg(fd, message, flags);
  scheduler->step();
  return transfer_in_time(*scheduler, scheduler->receive_timeout(fd), flags, [&] {
    return traced(*scheduler, "recvmsg", fd,
                  [&] { return __real_recvmsg(fd, message, flags | MSG_DONTWAIT); });
  });
}

ssize_t __wrap_send(int fd, const void* bytes, size_t count, int flags) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_send(fd, bytes, count, flags);
  scheduler->step();
  const std::size_t some = some_of(*scheduler, count);
  return transfer_in_time(*scheduler, 0, flags, [&] {
    return traced(*scheduler, "send", fd,
                  [&] { return __real_send(fd, bytes, some, flags | MSG_DONTWAIT); });
  });
}

ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_sendmsg(fd, message, flags);
  scheduler->step();
  ShortMessage some(*message, some_of(*scheduler, total(*message)));
  return transfer_in_time(*scheduler, 0, flags, [&] {
    return traced(*scheduler, "sendmsg", fd,
                  [&] { return __real_sendmsg(fd, &some.get(), flags | MSG_DONTWAIT); });
  });
}

/// Threads seem to move about between two processors.
int __wrap_sched_getcpu() {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr) return __real_sched_getcpu();
  return scheduler->random().one_in(3) ? 1 : 0;
}

int __wrap_sched_setaffinity(pid_t thread, size_t size, const cpu_set_t* set) {
  if (Scheduler::current() == nullptr) return __real_sched_setaffinity(thread, size, set);
  return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
  Scheduler* const scheduler = Scheduler::current();
  if (scheduler == nullptr || level != SOL_SOCKET) {
    return __real_setsockopt(fd, level, name, value, size);
  }
  if (name == SO_RCVTIMEO) {
    const auto* const time = static_cast<const timeval*>(value);
    scheduler->set_receive_timeout(fd, time->tv_sec * kSecondNs + time->tv_usec * 1000);
    return 0;
  }
  if (name == SO_SNDBUF || name == SO_RCVBUF) {
    const int bytes = scheduler->weather().socket_buffer_bytes;
    return __real_setsockopt(fd, level, name, &bytes, sizeof bytes);
  }
  return __real_setsockopt(fd, level, name, value, size);
}

int __wrap_connect(int fd, const sockaddr* address, socklen_t size) {
  if (Scheduler* const scheduler = Scheduler::current()) {
    scheduler->step();
    scheduler->touch();
  }
  return __real_connect(fd, address, size);
}

int __wrap_shutdown(int fd, int how) {
  if (Scheduler* const scheduler = Scheduler::current()) {
    scheduler->step();
    scheduler->touch();
    scheduler->trace("shutdown", fd, how);
  }
  return __real_shutdown(fd, how);
}

int __wrap_close(int fd) {
  if (Scheduler* const scheduler = Scheduler::current()) {
    scheduler->step();
    scheduler->touch();
    scheduler->trace("close", fd, 0);
    scheduler->forget(fd);
  }
  return __real_close(fd);
}

}  // extern "C"
// NOLINTEND(readability-identifier-naming,bugprone-reserved-identifier)
