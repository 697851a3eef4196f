// SPDX-License-Identifier: Apache-2.0
// Who is in a session: so that it can be closed while others call, at no more cost to a call than a
// few stores. A thread says in a word of its own which session it uses; who closes makes every
// thread's words visible by one membarrier, and waits until none names the session.
#pragma once

#include <vac/plugin.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <utility>

#include "base/futex_word.hpp"
#include "base/process_number.hpp"

namespace vac::core {

class Session;

namespace detail {

/// One use of a session. Written by its thread, read by who closes.
struct Stay {
  std::atomic<const Session*> session{nullptr};
  std::atomic<vac_call*> call{nullptr};  ///< in a submit that can be cancelled
};

/// What a thread is in; calls that plugins make are inside others. Never freed: used again by other
/// threads.
struct Visitor {
  static constexpr unsigned kDeepest = 16;
  std::array<Stay, kDeepest> stays;
  unsigned depth = 0;
  FutexWord pins;  ///< threads that look at its calls: it does not leave meanwhile
  std::atomic<bool> used{true};
  Visitor* next = nullptr;
};

/// In the part of thread-local memory that takes no call to find: libraries that are opened late
/// get some of it as well, and these are eight bytes.
[[gnu::tls_model("initial-exec")]] extern thread_local constinit Visitor* own_visitor;
/// Threads that close a session, and want to be told of leaving.
extern std::atomic<std::uint32_t> closers;
/// Whether who closes orders the memory of all threads, so that they need not.
extern bool others_are_ordered;

/// Makes a thread's words and what it reads afterwards one order with who closes.
inline void order_with_closer() noexcept {
  if (others_are_ordered) [[likely]] {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

/// nullptr: no memory.
[[gnu::cold]] Visitor* new_visitor() noexcept;
[[gnu::cold]] void tell_closers(Visitor& visitor) noexcept;

}  // namespace detail

/// Before the first session is given to anybody.
void prepare_visits() noexcept;

/// A thread's use of a session, from a function's entry to its end. Confined to its thread.
class Visit {
 public:
  /// Enters the session that `place` holds, if it is of this process.
  Visit(const std::atomic<Session*>& place, std::uint32_t process) noexcept {
    if (process != process_number()) [[unlikely]]
      return;
    detail::Visitor* visitor = detail::own_visitor;
    if (visitor == nullptr) [[unlikely]]
      visitor = detail::new_visitor();
    if (visitor == nullptr || visitor->depth == detail::Visitor::kDeepest) [[unlikely]]
      return;
    Session* const session = place.load(std::memory_order_acquire);
    if (session == nullptr) [[unlikely]]
      return;
    visitor_ = visitor;
    stay_ = &visitor->stays[visitor->depth++];
    stay_->session.store(session, std::memory_order_relaxed);
    detail::order_with_closer();
    if (place.load(std::memory_order_acquire) == session) [[likely]]
      session_ = session;
  }
  ~Visit() {
    if (stay_ == nullptr) return;
    stay_->session.store(nullptr, std::memory_order_release);
    --visitor_->depth;
    leave();
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;

  /// nullptr: it is closed, of the process that forked this one, or the thread is in too many.
  Session* session() const noexcept { return session_; }

  /// Until withdraw(), who closes the session may call the plugin's `cancel` for this call.
  void expose(vac_call& call) noexcept {
    stay_->call.store(&call, std::memory_order_release);
    detail::order_with_closer();
  }
  /// Returns when nobody is in that `cancel` any more.
  void withdraw() noexcept {
    stay_->call.store(nullptr, std::memory_order_release);
    leave();
  }

 private:
  void leave() noexcept {
    detail::order_with_closer();
    if (detail::closers.load(std::memory_order_relaxed) != 0) [[unlikely]]
      detail::tell_closers(*visitor_);
  }

  detail::Visitor* visitor_ = nullptr;
  detail::Stay* stay_ = nullptr;
  Session* session_ = nullptr;
};

/// While it lives, its thread enters no session. Confined to the thread.
class NoVisits {
 public:
  NoVisits() noexcept
      : visitor_(detail::own_visitor != nullptr ? detail::own_visitor : detail::new_visitor()) {
    if (visitor_ != nullptr) depth_ = std::exchange(visitor_->depth, detail::Visitor::kDeepest);
  }
  ~NoVisits() {
    if (visitor_ != nullptr) visitor_->depth = depth_;
  }
  NoVisits(const NoVisits&) = delete;
  NoVisits& operator=(const NoVisits&) = delete;

 private:
  detail::Visitor* const visitor_;
  unsigned depth_ = 0;
};

/// Calls the plugin's `cancel` for a call that a thread is in; without effect for any other. The
/// caller has marked its context as cancelled, and keeps both until this returns.
void cancel_visit(const vac_call& call) noexcept;

/// Whether the calling thread is in the session.
bool visits(const Session& session) noexcept;

/// Cancels the calls in a session that has been taken out of its place, and waits until nobody is
/// in it. False: somebody still is when the time is over, and the session must be left alone.
bool end_visits(Session& session, std::chrono::milliseconds patience) noexcept;

}  // namespace vac::core
