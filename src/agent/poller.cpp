// SPDX-License-Identifier: Apache-2.0
#include "agent/poller.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/errno_error.hpp"

namespace vac::agent {
namespace {

// An event's 64 bits: kind, generation (36), index (24).
constexpr unsigned kIndexBits = 24;
constexpr unsigned kGenerationBits = 36;
constexpr std::uint64_t kIndexMask = (std::uint64_t{1} << kIndexBits) - 1;
constexpr std::uint64_t kGenerationMask = (std::uint64_t{1} << kGenerationBits) - 1;

std::uint64_t pack(Poller::Kind kind, ConnectionTag tag) {
  return static_cast<std::uint64_t>(kind) << (kIndexBits + kGenerationBits) |
         (tag.generation & kGenerationMask) << kIndexBits | tag.index;
}

ConnectionTag tag_of(std::uint64_t data) {
  return {static_cast<std::uint32_t>(data & kIndexMask), data >> kIndexBits & kGenerationMask};
}

// What a connection is asked about. The end of the stream has an event of its own: one edge may
// stand for bytes and the end behind them.
constexpr std::uint32_t kInput = EPOLLIN | EPOLLRDHUP | EPOLLET;

Poller::Event unpack(const epoll_event& raw) {
  const std::uint64_t data = raw.data.u64;
  Poller::Event event;
  event.ended = (raw.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
  event.kind = static_cast<Poller::Kind>(data >> (kIndexBits + kGenerationBits));
  event.connection = tag_of(data);
  event.listener = event.connection.index;
  return event;
}

int control(const Fd& set, int operation, int fd, std::uint32_t events, std::uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return ::epoll_ctl(set.get(), operation, fd, &event);
}

}  // namespace

Result<std::unique_ptr<Poller>> Poller::create() {
  std::unique_ptr<Poller> poller(new Poller);
  poller->input_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  poller->output_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  poller->timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  poller->wake_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!poller->input_ || !poller->output_ || !poller->timer_ || !poller->wake_ ||
      control(poller->input_, EPOLL_CTL_ADD, poller->output_.get(), EPOLLIN,
              pack(Kind::output, {})) != 0 ||
      control(poller->input_, EPOLL_CTL_ADD, poller->timer_.get(), EPOLLIN,
              pack(Kind::timer, {})) != 0 ||
      control(poller->input_, EPOLL_CTL_ADD, poller->wake_.get(), EPOLLIN, pack(Kind::wake, {})) !=
          0) {
    return errno_error(errno, "cannot wait for connections");
  }
  return poller;
}

std::size_t Poller::wait(std::span<Event, kMostEvents> events) noexcept {
  std::array<epoll_event, kMostEvents> raw;
  const int count = ::epoll_wait(input_.get(), raw.data(), static_cast<int>(raw.size()), -1);
  for (int i = 0; i < count; ++i) events[i] = unpack(raw[i]);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

std::size_t Poller::take_writable(std::span<ConnectionTag, kMostEvents> tags) noexcept {
  std::array<epoll_event, kMostEvents> raw;
  const int count = ::epoll_wait(output_.get(), raw.data(), static_cast<int>(raw.size()), 0);
  for (int i = 0; i < count; ++i) tags[i] = tag_of(raw[i].data.u64);
  return count < 0 ? 0 : static_cast<std::size_t>(count);
}

Status Poller::add_listener(int fd, std::uint32_t index) noexcept {
  if (control(input_, EPOLL_CTL_ADD, fd, EPOLLIN, pack(Kind::listener, {index, 0})) != 0) {
    return errno_error(errno, "cannot wait for connections");
  }
  return {};
}

void Poller::pause_listener(int fd, std::uint32_t index) noexcept {
  control(input_, EPOLL_CTL_MOD, fd, 0, pack(Kind::listener, {index, 0}));
}

void Poller::resume_listener(int fd, std::uint32_t index) noexcept {
  control(input_, EPOLL_CTL_MOD, fd, EPOLLIN, pack(Kind::listener, {index, 0}));
}

void Poller::remove_listener(int fd) noexcept { control(input_, EPOLL_CTL_DEL, fd, 0, 0); }

Status Poller::add_connection(int fd, ConnectionTag tag) noexcept {
  if (control(input_, EPOLL_CTL_ADD, fd, kInput, pack(Kind::connection, tag)) != 0) {
    return errno_error(errno, "cannot wait for a connection");
  }
  return {};
}

void Poller::silence(int fd, ConnectionTag tag) noexcept {
  // Not 0: hang-ups are always on, and level-triggered they would keep the watcher busy.
  control(input_, EPOLL_CTL_MOD, fd, EPOLLET, pack(Kind::connection, tag));
}

void Poller::listen(int fd, ConnectionTag tag) noexcept {
  control(input_, EPOLL_CTL_MOD, fd, kInput, pack(Kind::connection, tag));
}

void Poller::remove_connection(int fd) noexcept {
  control(input_, EPOLL_CTL_DEL, fd, 0, 0);
  control(output_, EPOLL_CTL_DEL, fd, 0, 0);  // fails where it was never armed
}

void Poller::arm_output(int fd, ConnectionTag tag) noexcept {
  const std::uint64_t data = pack(Kind::output, tag);
  if (control(output_, EPOLL_CTL_MOD, fd, EPOLLOUT | EPOLLONESHOT, data) != 0 && errno == ENOENT) {
    control(output_, EPOLL_CTL_ADD, fd, EPOLLOUT | EPOLLONESHOT, data);
  }
}

void Poller::set_timer(std::chrono::milliseconds interval) noexcept {
  itimerspec spec{};
  spec.it_interval.tv_sec = interval.count() / 1000;
  spec.it_interval.tv_nsec = interval.count() % 1000 * 1'000'000;
  spec.it_value = spec.it_interval;
  ::timerfd_settime(timer_.get(), 0, &spec, nullptr);
}

void Poller::clear_timer() noexcept {
  std::uint64_t ticks = 0;
  while (::read(timer_.get(), &ticks, sizeof ticks) < 0 && errno == EINTR) {
  }
}

void Poller::wake() noexcept {
  const std::uint64_t one = 1;
  while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

}  // namespace vac::agent
