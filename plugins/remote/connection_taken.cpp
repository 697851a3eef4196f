// SPDX-License-Identifier: Apache-2.0
// Calls that were taken: in a queue until there is a place for them, then in flight; and what the
// reactor does for them. Nobody is woken, and no lock taken, for each of many.
#include <algorithm>
#include <array>
#include <bit>
#include <new>
#include <utility>

#include "base/text.hpp"
#include "connection.hpp"

namespace vac::remote {
namespace {

/// Receives of one connection in a row, before others get their turn.
constexpr int kReadsInARow = 16;

}  // namespace

bool Connection::take(vac_call& call) {
  if (taking_.reactor == nullptr || find_op(call.op) == nullptr) return false;
  if (!taking_.reactor->watch(*this)) return false;
  const std::int64_t deadline_ns = call.deadline_ns;  // the call may be over behind push()
  const bool first = waiting_.push(call);
  const bool early = deadline_ns != 0 && deadline_ns < next_deadline_ns_.load();
  if (first || early) look_at_waiting(early ? deadline_ns : INT64_MAX);
  return true;
}

void Connection::stop_taking() noexcept {
  if (taking_.reactor != nullptr) taking_.reactor->forget(*this);
}

void Connection::cancel_taken() noexcept {
  {
    const MutexLock lock(mutex_);
    cancel_all_ = sweep_ = true;
  }
  if (looked_after()) taking_.reactor->wake(*this);
}

bool Connection::looked_after() const noexcept {
  return taking_.reactor != nullptr && Reactor::watches(*this);
}

/// Sends what waits, if there is room and the turn is free. Else whoever makes room, has the turn
/// or is awake finds it: all look under the mutex, after the call was pushed.
void Connection::look_at_waiting(std::int64_t deadline_ns) {
  bool wakes = false;
  bool sends = false;
  {
    const MutexLock lock(mutex_);
    if (deadline_ns < next_deadline_ns_.load()) {
      next_deadline_ns_.store(deadline_ns);
      wakes = true;
    }
    if (end_ || cancel_all_) {
      sweep_ = wakes = true;
    } else if (!reactor_awake_) {
      sends = !sending_ && can_gather();
      sending_ = sending_ || sends;
      if (!leading_ && !reactor_polls_) wakes = true;
    }
    wakes = wakes && !reactor_awake_;
  }
  if (sends) {
    gather(Rounds::one);
    release_turn();
  }
  if (wakes) taking_.reactor->wake(*this);
}

bool Connection::has_taken() const noexcept { return taken_ != 0 || !waiting_.empty(); }

/// To be called whenever one of these may have changed.
void Connection::note_over(const Place& place) noexcept {
  if (!place.taken || place.receiving || place.unsent) return;
  if (place.done || place.leaving) over_ |= CallTable::bit(place);
}

/// Takes the calls that have ended out of their places, which are free for others then.
std::size_t Connection::collect(Overs& overs) {
  const MutexLock lock(mutex_);
  std::size_t count = 0;
  for (std::uint64_t left = std::exchange(over_, 0); left != 0; left &= left - 1) {
    Place& place = table_.places()[static_cast<std::size_t>(std::countr_zero(left))];
    // A frame for one that is to end may have begun meanwhile.
    const bool over = place.done || place.leaving;
    if (place.taken && over && !place.receiving && !place.unsent) overs[count++] = leave(place);
  }
  return count;
}

Connection::Over Connection::leave(Place& place) noexcept {
  Over over{place.call, std::nullopt};
  taken_ &= ~CallTable::bit(place);
  place.taken = false;
  if (!place.done) {
    over.failure = stop_error(*place.op, place.patience.stop());
  } else if (place.lost || place.code != VAC_OK) {
    over.failure = take_result(place).error();
  }
  if (!place.done && cancels_.size() < cancels_.capacity()) cancels_.push_back(place.request);
  if (place.done && !place.uploading) {
    free_place(place);
  } else {
    place.abandoned = true;
    place.call = nullptr;
  }
  return over;
}

void Connection::complete(const Over& over) noexcept {
  const vac_host& host = *taking_.host;
  int code = VAC_OK;
  if (over.failure) {
    code = over.failure->value();
    host.error(host.host, over.call, over.failure->detail(), over.failure->text().c_str());
  }
  host.complete(over.call, code, nullptr);
}

/// What follows when calls have ended: others get their places and are sent, then who made them are
/// told.
void Connection::settle(Rounds rounds) noexcept {
  Overs overs;
  const std::size_t count = collect(overs);
  if (count != 0) queue_surplus();
  gather_if_free(rounds);
  // A thread that waits for the oldest of them finds the others done when it is woken.
  for (std::size_t i = count; i-- > 0;) complete(overs[i]);
}

/// Why a call ends that was not sent.
Error Connection::waiting_error(const vac_call& call) noexcept {
  const Op& op = *find_op(call.op);
  const bool late = call.deadline_ns != 0 && now_ns() >= call.deadline_ns;
  const MutexLock lock(mutex_);
  if (end_) return end_error(op, " before ");
  return stop_error(op, late ? Patience::Stop::expired : Patience::Stop::cancelled);
}

bool Connection::sweep_is_due() {
  const std::int64_t next_ns = next_deadline_ns_.load();
  if (next_ns != INT64_MAX && now_ns() >= next_ns) return true;
  const MutexLock lock(mutex_);
  return sweep_;
}

/// Looks at all calls: which are cancelled, late, or lost with the connection.
void Connection::sweep() {
  WaitingCalls::List waiting, kept;
  std::int64_t next_ns = INT64_MAX;
  bool all = false;
  bool stuck = false;
  {
    const MutexLock lock(mutex_);
    sweep_ = false;
    // First this, then the list: whoever pushes behind the list finds itself early.
    next_deadline_ns_.store(INT64_MAX);
    waiting = waiting_.take_all();
    all = end_ || cancel_all_;
    stuck = sweep_places(next_ns);
  }
  if (stuck) give_up("the agent stopped in the middle of a frame");
  while (vac_call* const call = waiting.pop()) {
    if (all || taking_.host->cancelled(call) != 0) {
      complete({call, waiting_error(*call)});
      continue;
    }
    if (call->deadline_ns != 0) next_ns = std::min(next_ns, call->deadline_ns);
    kept.push(*call);
  }
  const MutexLock lock(mutex_);
  waiting_.put_back(kept);
  if (next_ns < next_deadline_ns_.load()) next_deadline_ns_.store(next_ns);
}

/// True: half a frame has not come to its end in its grace.
bool Connection::sweep_places(std::int64_t& next_ns) {
  bool stuck = false;
  for (std::uint64_t left = taken_; left != 0; left &= left - 1) {
    Place& place = table_.places()[static_cast<std::size_t>(std::countr_zero(left))];
    if (place.done) continue;
    if (cancel_all_) place.cancelled.store(true, std::memory_order_relaxed);
    if (place.impatient()) {
      place.leaving = true;
      note_over(place);
      if (place.patience.grace_over()) {
        stuck = true;
        continue;
      }
    }
    const std::int64_t limit = place.patience.limit_ns();
    if (limit != 0) next_ns = std::min(next_ns, limit);
  }
  return stuck;
}

/// The reactor's thread.
Reactor::Interest Connection::react(bool ready) noexcept {
  Reactor::Interest interest;
  do {
    bool reads = begin_reaction(ready);
    for (int i = 0; reads && i < kReadsInARow; ++i) {
      own_ = nullptr;
      try {
        if (receive_some(transport::Wait::now) <= 0) break;
        reads = dispatch();
      } catch (const std::bad_alloc&) {
        end_without_memory();
        break;
      }
      to_settle_ = false;
      settle(Rounds::all);
    }
    if (sweep_is_due()) sweep();
    settle(Rounds::all);
    ready = false;
  } while (!end_reaction(interest));
  return interest;
}

/// Whether there is something to read for this thread.
bool Connection::begin_reaction(bool ready) {
  const MutexLock lock(mutex_);
  reactor_awake_ = true;
  if (!leading_ && has_taken()) leading_ = reactor_leads_ = true;
  // What comes when it has nothing in flight is for others: it looks at that once.
  lingers_ = has_taken() || (lingers_ && !ready);
  return ready && reactor_leads_ && !end_;
}

/// False: there is more to do now.
bool Connection::end_reaction(Reactor::Interest& interest) {
  Place* next = nullptr;
  {
    const MutexLock lock(mutex_);
    const bool sends = output_waits_ ? end_.has_value() : can_gather();
    if (over_ != 0 || sweep_ || (sends && !sending_)) return false;
    if (!leading_ && has_taken()) return false;
    reactor_awake_ = false;
    if (reactor_leads_ && !has_taken()) {
      reactor_leads_ = false;
      next = pass_lead(nullptr);
    }
    reactor_polls_ = !end_ && (reactor_leads_ || (lingers_ && !leading_));
    interest.events = reactor_polls_ ? POLLIN : 0;
    if (output_waits_ && !sending_ && !end_) interest.events |= POLLOUT;
    interest.until_ns = next_deadline_ns_.load();
  }
  if (next != nullptr) next->signal.raise();
  return true;
}

}  // namespace vac::remote
