// SPDX-License-Identifier: Apache-2.0
#include "simulation/scheduler.hpp"

#include <cstdio>
#include <cstdlib>
#include <limits>

#include "simulation/system_calls.hpp"

namespace vac::simulation {
namespace {

constexpr std::int64_t kStartNs = 1'000'000'000'000;
/// What a step takes at most.
constexpr std::uint64_t kStepNs = 1000;
constexpr std::uint64_t kStallNs = 10'000'000;

thread_local Scheduler* current_scheduler = nullptr;
thread_local Scheduler::Thread* current_thread = nullptr;

}  // namespace

struct Scheduler::Thread {
  enum class State : std::uint8_t { runnable, waiting, polling, ended };

  unsigned number = 0;
  State state = State::runnable;
  const void* address = nullptr;  // while waiting
  std::uint64_t seen_epoch = 0;   // while polling
  std::int64_t deadline_ns = kForever;
  Woken woken = Woken::notified;
  sem_t turn;

  Thread() { sem_init(&turn, 0, 0); }
  ~Thread() { sem_destroy(&turn); }
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  bool sleeps() const { return state == State::waiting || state == State::polling; }
  void take_turn() {
    while (sem_wait(&turn) != 0) {
    }
  }
};

Scheduler* Scheduler::current() noexcept { return current_scheduler; }

Scheduler::Scheduler(std::uint64_t seed, const Weather& weather)
    : seed_(seed), weather_(weather), random_(seed), now_ns_(kStartNs) {
  current_thread = add_thread();
  current_scheduler = this;
}

Scheduler::~Scheduler() {
  current_scheduler = nullptr;
  current_thread = nullptr;
}

/// FNV-1a over the decisions.
void Scheduler::record(std::uint64_t decision) noexcept {
  history_ = (history_ ^ decision) * 0x100000001b3;
  ++steps_;
}

Scheduler::Thread* Scheduler::add_thread() {
  threads_.push_back(std::make_unique<Thread>());
  threads_.back()->number = static_cast<unsigned>(threads_.size() - 1);
  return threads_.back().get();
}

void Scheduler::enter(Thread* thread) {
  thread->take_turn();
  current_thread = thread;
  current_scheduler = this;
}

void Scheduler::leave() {
  Thread& self = *current_thread;
  self.state = Thread::State::ended;
  notify(&self, std::numeric_limits<unsigned>::max());
  current_scheduler = nullptr;
  current_thread = nullptr;
  sem_post(&choose()->turn);
}

void Scheduler::wait_for_end(const Thread* thread) {
  while (thread->state != Thread::State::ended) wait(thread, kForever);
}

void Scheduler::step() {
  now_ns_ += static_cast<std::int64_t>(random_.below(kStepNs));
  if (random_.one_in(weather_.stalls))
    now_ns_ += static_cast<std::int64_t>(random_.below(kStallNs));
  if (random_.one_in(weather_.switches)) pass_on(*current_thread);
}

Scheduler::Woken Scheduler::wait(const void* address, std::int64_t deadline_ns,
                                 bool interruptible) {
  if (interruptible && random_.one_in(weather_.interruptions)) return Woken::interrupted;
  Thread& self = *current_thread;
  self.state = Thread::State::waiting;
  self.address = address;
  self.deadline_ns = deadline_ns;
  return suspend(self);
}

Scheduler::Woken Scheduler::wait_for_descriptors(std::int64_t deadline_ns, bool interruptible) {
  if (interruptible && random_.one_in(weather_.interruptions)) return Woken::interrupted;
  Thread& self = *current_thread;
  self.state = Thread::State::polling;
  self.seen_epoch = descriptor_epoch_;
  self.deadline_ns = deadline_ns;
  return suspend(self);
}

Scheduler::Woken Scheduler::suspend(Thread& self) {
  self.woken = Woken::notified;
  pass_on(self);
  return self.woken;
}

unsigned Scheduler::notify(const void* address, unsigned most) {
  unsigned count = 0;
  // From any place on, so that no waiter is always the first.
  const std::size_t size = threads_.size();
  const std::size_t first = random_.below(size);
  for (std::size_t i = 0; i < size && count < most; ++i) {
    Thread& thread = *threads_[(first + i) % size];
    if (thread.state != Thread::State::waiting || thread.address != address) continue;
    thread.state = Thread::State::runnable;
    ++count;
  }
  return count;
}

void Scheduler::pass_on(Thread& self) {
  Thread* const next = choose();
  if (next == &self) return;
  sem_post(&next->turn);
  self.take_turn();
}

/// The thread that goes on, which sleeps no more.
Scheduler::Thread* Scheduler::choose() {
  for (;;) {
    wake_late();
    candidates_.clear();
    for (const auto& thread : threads_) {
      if (thread->state == Thread::State::runnable ||
          (thread->state == Thread::State::polling && thread->seen_epoch != descriptor_epoch_)) {
        candidates_.push_back(thread.get());
      }
    }
    if (!candidates_.empty()) break;
    if (!advance_to_next_deadline()) report_deadlock();
  }
  Thread* const next = candidates_[random_.below(candidates_.size())];
  record(next->number);
  next->state = Thread::State::runnable;
  return next;
}

/// Whoever's time is over goes on.
void Scheduler::wake_late() noexcept {
  for (const auto& thread : threads_) {
    if (!thread->sleeps() || thread->deadline_ns == kForever || thread->deadline_ns > now_ns_) {
      continue;
    }
    thread->state = Thread::State::runnable;
    thread->woken = Woken::timed_out;
  }
  fire_timers();
}

bool Scheduler::advance_to_next_deadline() {
  std::int64_t next = std::numeric_limits<std::int64_t>::max();
  for (const auto& thread : threads_) {
    if (thread->sleeps() && thread->deadline_ns != kForever && thread->deadline_ns < next) {
      next = thread->deadline_ns;
    }
  }
  for (const auto& [fd, timer] : timers_) next = timer.next_ns < next ? timer.next_ns : next;
  if (next == std::numeric_limits<std::int64_t>::max()) return false;
  if (next > now_ns_) now_ns_ = next;
  return true;
}

void Scheduler::trace(const char* call, int fd, long result) const {
  static const bool wanted = std::getenv("VAC_TRACE") != nullptr;
  if (!wanted) return;
  std::fprintf(stderr, "%9lld thread %u %s(%d) %ld\n",
               static_cast<long long>((now_ns_ - kStartNs) / 1000), current_thread->number, call,
               fd, result);
}

void Scheduler::set_timer(int fd, std::int64_t first_ns, std::int64_t interval_ns) {
  if (first_ns == 0) {
    timers_.erase(fd);
  } else {
    timers_[fd] = {now_ns_ + first_ns, interval_ns};
  }
}

/// The descriptor is the system's own: it is made readable as soon as the system can.
void Scheduler::fire_timers() {
  for (auto it = timers_.begin(); it != timers_.end();) {
    Timer& timer = it->second;
    if (timer.next_ns > now_ns_) {
      ++it;
      continue;
    }
    itimerspec at_once{};
    at_once.it_value.tv_nsec = 1;
    __real_timerfd_settime(it->first, 0, &at_once, nullptr);
    pollfd readable{it->first, POLLIN, 0};
    __real_ppoll(&readable, 1, nullptr, nullptr);
    touch();
    timer.next_ns = now_ns_ + timer.interval_ns;
    it = timer.interval_ns == 0 ? timers_.erase(it) : std::next(it);
  }
}

std::int64_t Scheduler::receive_timeout(int fd) const {
  const auto found = receive_timeouts_.find(fd);
  return found == receive_timeouts_.end() ? 0 : found->second;
}

void Scheduler::forget(int fd) {
  timers_.erase(fd);
  receive_timeouts_.erase(fd);
}

void Scheduler::report_deadlock() const {
  std::fprintf(stderr, "simulation: seed %llu: all threads wait for ever after %llu steps:\n",
               static_cast<unsigned long long>(seed_), static_cast<unsigned long long>(steps_));
  for (const auto& thread : threads_) {
    if (thread->state == Thread::State::ended) continue;
    std::fprintf(stderr, "  thread %u waits for %s %p\n", thread->number,
                 thread->state == Thread::State::polling ? "a descriptor" : "address",
                 thread->address);
  }
  std::abort();
}

}  // namespace vac::simulation
