// SPDX-License-Identifier: Apache-2.0
// What the agent waits for: connections with input, listeners, sockets that take output again, a
// timer.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>

#include "base/fd.hpp"

namespace vac::agent {

/// A connection as an event names it: its place and which connection of that place.
struct ConnectionTag {
  std::uint32_t index = 0;
  std::uint64_t generation = 0;
};

/// Two epoll sets. Input is edge-triggered in the outer one. Writability has a set of its own,
/// nested in the outer one, because a descriptor has one registration a set and changing it would
/// lose or repeat edges of input. Thread-safe.
class Poller {
 public:
  static constexpr std::size_t kMostEvents = 16;

  enum class Kind : std::uint8_t { connection, listener, output, timer, wake };
  struct Event {
    Kind kind = Kind::wake;
    std::uint32_t listener = 0;
    ConnectionTag connection;
    bool ended = false;  ///< the stream's end is there, behind what is still to be read
  };

  static Result<std::unique_ptr<Poller>> create();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Waits for events; fills `events` and returns how many there are.
  std::size_t wait(std::span<Event, kMostEvents> events) noexcept;
  /// After an event of kind output: who can be written to; each is armed no more.
  std::size_t take_writable(std::span<ConnectionTag, kMostEvents> tags) noexcept;

  Status add_listener(int fd, std::uint32_t index) noexcept;
  /// A listener that cannot accept at the moment is level-triggered noise until resumed.
  void pause_listener(int fd, std::uint32_t index) noexcept;
  void resume_listener(int fd, std::uint32_t index) noexcept;
  void remove_listener(int fd) noexcept;

  Status add_connection(int fd, ConnectionTag tag) noexcept;
  /// No events of input until listen(). Errors and hang-ups are always reported, once.
  void silence(int fd, ConnectionTag tag) noexcept;
  /// Events of input again. Looks at readiness itself: input that is there already is an event.
  void listen(int fd, ConnectionTag tag) noexcept;
  void remove_connection(int fd) noexcept;

  /// One event when the socket takes output. Each call is followed by one such event at most.
  void arm_output(int fd, ConnectionTag tag) noexcept;

  /// An event of kind timer every interval; zero stops it.
  void set_timer(std::chrono::milliseconds interval) noexcept;
  void clear_timer() noexcept;

  /// wait() returns at once from now on, in every thread.
  void wake() noexcept;

 private:
  Poller() = default;

  Fd input_;
  Fd output_;
  Fd timer_;
  Fd wake_;
};

}  // namespace vac::agent
