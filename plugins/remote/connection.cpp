// SPDX-License-Identifier: Apache-2.0
// Places, results, and the end of a connection.
#include "connection.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <string_view>
#include <utility>

#include "base/errno_error.hpp"
#include "base/text.hpp"
#include "control_call.hpp"

namespace vac::remote {
namespace {

/// An agent lets a connection have fewer resources open than this.
constexpr std::size_t kMostDrops = 65'536;
constexpr std::int64_t kDropPatienceNs = 100'000'000;
constexpr std::int64_t kPingPatienceNs = 100'000'000;
constexpr std::int64_t kAdvicePatienceNs = 100'000'000;

}  // namespace

Result<std::unique_ptr<Connection>> Connection::create(std::unique_ptr<transport::Channel> channel,
                                                       std::string address,
                                                       const wire::Hello& agreed,
                                                       const Times& times, const Taking& taking) {
  Fd wake_event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_event) {
    return errno_error(errno, concat("open ", address, ": cannot make an eventfd"));
  }
  return std::unique_ptr<Connection>(new Connection(std::move(channel), std::move(wake_event),
                                                    std::move(address), agreed, times, taking));
}

Connection::Connection(std::unique_ptr<transport::Channel> channel, Fd wake_event,
                       std::string address, const wire::Hello& agreed, const Times& times,
                       const Taking& taking)
    : channel_(std::move(channel)),
      wake_event_(std::move(wake_event)),
      address_(std::move(address)),
      largest_frame_(agreed.largest_frame),
      times_(times),
      arena_(agreed.region_kinds == 0 ? nullptr : Arena::create()),
      taking_(taking),
      table_(agreed.calls_in_flight),
      reader_(agreed.largest_frame) {
  cancels_.reserve(wire::kMaxCallsInFlight);
  uploads_.reserve(wire::kMaxCallsInFlight);
}

Connection::~Connection() {
  stop_taking();
  if (arena_ != nullptr) arena_->orphan();
  if (ended() || !outbox_.empty()) return;
  wire::FrameHeader goodbye;
  goodbye.kind = wire::Kind::goodbye;
  const iovec piece{&goodbye, sizeof goodbye};
  // For the agent's log alone: it learns of the end in any case.
  (void)channel_->send({&piece, 1}, transport::Wait::now);
}

bool Connection::ended() const noexcept {
  const MutexLock lock(mutex_);
  return end_.has_value();
}

Status Connection::run(vac_call& call, const vac_host* host) {
  VAC_TRY(Place * place, send_new(call, host, Room::wait));
  return finish(*place);
}

Result<Place*> Connection::start(vac_call& call, const vac_host* host, Room room) {
  VAC_TRY(Place * place, send_new(call, host, room));
  if (place == nullptr) return place;
  Place* next = nullptr;
  {
    const MutexLock lock(mutex_);
    if (place->leads) next = pass_lead(place);  // who has it must read, and this thread goes away
  }
  if (next != nullptr) next->signal.raise();
  return place;
}

Result<Place*> Connection::send_new(vac_call& call, const vac_host* host, Room room) {
  const Op* op = find_op(call.op);
  if (op == nullptr) {
    return Error{Errc::not_supported, concat("operation ", call.op, " is not known here")};
  }
  Patience patience(call, times_.grace);
  if (patience.over()) return stop_error(*op, patience.stop());
  VAC_TRY(Place * place, take_place(call, *op, host, patience, room));
  if (place == nullptr) return place;
  // Who cancelled the call before it had its place did not find it.
  if (is_cancelled(call, host)) {
    place->cancelled.store(true, std::memory_order_relaxed);
  }
  VAC_CHECK(send_call(*place));
  return place;
}

/// Of what is asked on behalf of a call, the host of that call knows.
bool Connection::is_cancelled(const vac_call& call, const vac_host* host) const noexcept {
  if (host == nullptr && call.host_priv != nullptr) host = taking_.host;
  return host != nullptr && host->cancelled(&call) != 0;
}

/// A place, and the turn if it is free; else the place stands in the queue for it.
Result<Place*> Connection::take_place(vac_call& call, const Op& op, const vac_host* host,
                                      Patience& patience, Room room) {
  for (;;) {
    std::uint32_t seen = 0;
    bool lead_here = false;
    {
      const MutexLock lock(mutex_);
      if (end_) return end_error(op, " before ");
      if (Place* place = table_.try_take(); place != nullptr) {
        passed_over_ = !waiting_.empty();
        place->call = &call;
        place->op = &op;
        place->host = host;
        place->patience = patience;
        place->queued = sending_;
        if (sending_) {
          table_.queue_sender(*place);
        } else {
          sending_ = true;
          table_.number(*place);
        }
        return place;
      }
      if (room == Room::only_if_free) return nullptr;
      // What fills the table may be calls that nobody waits for any more: then nobody reads.
      lead_here = !leading_;
      if (lead_here) leading_ = leads_for_room_ = true;
      seen = places_changed_.load();
      ++place_waiters_;
    }
    if (lead_here) {
      lead(nullptr, patience);
    } else {
      patience.note(places_changed_.wait(seen, patience.futex_limit()));
    }
    Place* next = nullptr;
    {
      const MutexLock lock(mutex_);
      --place_waiters_;
      if (lead_here) {
        leads_for_room_ = false;
        if (leader_woken_) awake(leader_woken_);
        next = pass_lead(nullptr);
      }
    }
    if (next != nullptr) next->signal.raise();
    if (!patience.over() && is_cancelled(call, host)) patience.cancel();
    if (patience.over()) {
      places_changed_.wake_one();  // what this thread may have been woken for is another's now
      gather_if_free(Rounds::one);
      return stop_error(op, patience.stop());
    }
  }
}

Status Connection::finish(Place& place) noexcept {
  Departure departure;
  for (;;) {
    bool lead_here = false;
    {
      const MutexLock lock(mutex_);
      if (try_leave(place, departure)) break;
      if (!leading_) leading_ = place.leads = true;
      lead_here = place.leads;
      table_.set_waiting(place, !lead_here);
    }
    if (lead_here) {
      lead(&place, place.patience);
    } else {
      wait_for_signal(place);
    }
  }
  if (departure.next_leader != nullptr) departure.next_leader->signal.raise();
  if (departure.cancel) send_cancels();
  if (departure.gathers) gather_if_free(Rounds::one);
  if (departure.drops) send_drops();
  if (departure.surplus) return_regions();
  if (departure.processor) tell_processor(*departure.processor);
  return std::move(departure.result);
}

/// Nobody waits for the answer: it is advice.
void Connection::tell_processor(int processor) noexcept {
  ControlCall call(Control::caller_processor, now_ns() + kAdvicePatienceNs);
  call.in_u32(static_cast<std::uint32_t>(processor));
  if (post(call.call())) return;
  const MutexLock lock(mutex_);
  caller_.forget();
}

void Connection::drop_resource(std::uint64_t id) noexcept {
  give_back({Control::resource_drop, id});
}

void Connection::give_back(Drop drop) noexcept {
  {
    const MutexLock lock(mutex_);
    queue_drop(drop);
  }
  send_drops();
}

void Connection::queue_drop(Drop drop) noexcept {
  try {
    if (!end_ && drops_.size() < kMostDrops) drops_.push_back(drop);
  } catch (const std::bad_alloc&) {  // the agent keeps it until the connection ends
  }
}

/// As many as half of the places take: calls that somebody waits for come first. One thread at a
/// time: a call that has been posted and is answered at once comes back to here.
void Connection::send_drops() noexcept {
  for (bool sent = true; sent;) {
    Drop next{Control::resource_drop, 0};
    {
      const MutexLock lock(mutex_);
      if (sending_drops_ || end_ || drops_.empty() || !table_.half_free()) return;
      sending_drops_ = true;
      next = drops_.back();
    }
    ControlCall drop(next.release, now_ns() + kDropPatienceNs);
    if (next.release == Control::resource_drop) {
      drop.in_u64(next.id);
    } else {
      drop.in_u32(static_cast<std::uint32_t>(next.id));
    }
    sent = post(drop.call());
    const MutexLock lock(mutex_);
    sending_drops_ = false;
    // This one alone: others came meanwhile, maybe with the same id.
    if (sent && !end_) drops_.erase(std::ranges::find(drops_, next));
  }
}

bool Connection::post(vac_call& call) noexcept {
  Place* started = nullptr;
  try {
    started = start(call, nullptr, Room::only_if_free).value_or(nullptr);
  } catch (const std::bad_alloc&) {  // nothing has been sent
  }
  if (started == nullptr) return false;
  Place& place = *started;
  bool answered = false;
  Place* next = nullptr;
  {
    const MutexLock lock(mutex_);
    answered = place.done || place.receiving;
    if (!answered) {
      // Where the pipe was full, sending has brought the lead, which others may be waiting for.
      if (place.leads) next = pass_lead(&place);
      place.abandoned = true;
      place.call = nullptr;
    }
  }
  if (next != nullptr) next->signal.raise();
  if (answered) (void)finish(place);
  return true;
}

void Connection::cancel(const vac_call& call) noexcept {
  std::array<Place*, wire::kMaxCallsInFlight> owners{};
  const bool leader = mark_cancelled(call, owners);
  if (looked_after()) taking_.reactor->wake(*this);
  for (Place* const owner : owners) {
    if (owner != nullptr) owner->signal.raise();
  }
  places_changed_.wake_all();
  resources_changed_.fetch_add(1);
  resources_changed_.wake_all();
  if (!leader) return;
  // Who reads sleeps in the system until something comes: the answer to this. Without it the
  // reader ends with what comes next.
  ControlCall ping(Control::ping, now_ns() + kPingPatienceNs);
  (void)post(ping.call());
}

/// Marks the calls that the host knows as this one, and tells their owners. True: one of them
/// reads. One that is done is marked as well, without effect: of the leader's own call only the
/// leader knows that.
bool Connection::mark_cancelled(const vac_call& call,
                                std::array<Place*, wire::kMaxCallsInFlight>& owners) {
  const MutexLock lock(mutex_);
  bool leader = false;
  for (Place& place : table_.places()) {
    if (!table_.occupied(place) || place.call == nullptr ||
        place.call->host_priv != call.host_priv) {
      continue;
    }
    place.cancelled.store(true, std::memory_order_relaxed);
    leader = leader || place.leads;
    if (!place.taken) owners[place.index] = &place;
  }
  sweep_ = true;  // it may be one that was taken
  // Who waits for a place asks the host.
  if (leads_for_room_) wake(leader_woken_);
  if (writer_blocked_) wake(writer_woken_);
  places_changed_.fetch_add(1);
  return leader;
}

/// Ends the owner's part if it can end: the call is done, or the owner wants to leave and may.
bool Connection::try_leave(Place& place, Departure& departure) {
  table_.set_waiting(place, false);
  if (place.done) {
    departure.result = take_result(place);
    // Where several threads call, none of them is the one to be near.
    if (table_.one_taken() && channel_->carries_descriptors()) departure.processor = caller_.news();
    departure.drops = !drops_.empty();
    if (place.leads) departure.next_leader = pass_lead(&place);
    free_place(place);
    departure.gathers = can_gather();
    departure.surplus = arena_ != nullptr && arena_->has_surplus();
    return true;
  }
  if (place.cancelled.load(std::memory_order_relaxed)) place.patience.cancel();
  place.leaving = place.patience.stopped();
  if (!place.leaving || place.receiving) return false;
  departure.result = stop_error(*place.op, place.patience.stop());
  if (place.leads) departure.next_leader = pass_lead(&place);
  place.abandoned = true;
  place.call = nullptr;
  // A cancel is advice: those that are too many are left out.
  if (cancels_.size() < cancels_.capacity()) cancels_.push_back(place.request);
  departure.cancel = true;
  return true;
}

/// Somebody else leads. Where patience ends in the middle of a frame for this call, the frame has
/// the grace to come to its end; then the connection is given up, and the leader finds that out.
void Connection::wait_for_signal(Place& place) {
  Patience& patience = place.patience;
  if (patience.grace_over()) {
    give_up("the agent stopped in the middle of a reply");
    (void)place.signal.wait(std::nullopt);
    return;
  }
  patience.note(place.signal.wait(patience.futex_limit()));
  (void)place.impatient();
}

Status Connection::take_result(const Place& place) const noexcept {
  if (place.lost) return end_error(*place.op, " during ");
  if (place.code == VAC_OK) return {};
  return Error{static_cast<Errc>(place.code), concat_if_possible(place.text)}.with_detail(
      place.detail);
}

void Connection::free_place(Place& place) {
  if (!place.pins.empty()) end_pins(place);
  table_.release(place);
  if (leads_for_room_) wake(leader_woken_);
  if (place_waiters_ == 0) return;
  places_changed_.fetch_add(1);
  places_changed_.wake_one();
}

/// Ends a poll of the thread that `whom` stands for. The event is shared: it stays raised until
/// each who was woken has noticed.
void Connection::wake(bool& whom) {
  whom = true;
  (void)::eventfd_write(wake_event_.get(), 1);
}

void Connection::awake(bool& who) {
  who = false;
  if (writer_woken_ || leader_woken_) return;
  eventfd_t count = 0;
  (void)::eventfd_read(wake_event_.get(), &count);
}

/// Gives the lead to one who sleeps until its call is done, whom the caller wakes; else nobody has
/// it, and who could use it is told.
Place* Connection::pass_lead(Place* from) {
  if (from != nullptr) from->leads = false;
  Place* next = table_.take_waiting();
  if (next != nullptr) {
    next->leads = true;
    return next;
  }
  leading_ = false;
  if (has_taken() && !reactor_awake_ && looked_after()) taking_.reactor->wake(*this);
  if (writer_blocked_) wake(writer_woken_);
  if (place_waiters_ != 0) {
    places_changed_.fetch_add(1);
    places_changed_.wake_one();
  }
  return nullptr;
}

/// Breaks the channel, which the leader then finds out.
void Connection::give_up(const char* because) {
  {
    const MutexLock lock(mutex_);
    given_up_because_ = because;
  }
  channel_->shutdown();
}

void Connection::end_of_stream() noexcept {
  const char* because = nullptr;
  {
    const MutexLock lock(mutex_);
    because = given_up_because_;
  }
  if (because != nullptr) {
    end(Errc::remote_io,
        concat_if_possible("connection to ", address_, " was given up, because ", because),
        "look at the agent's log, and open the session again");
  } else {
    end(Errc::remote_io,
        concat_if_possible("connection to ", address_, " was lost (the agent ended or was killed)"),
        "look at the agent's log, and open the session again when it runs");
  }
}

void Connection::end_without_memory() noexcept {
  end(Errc::remote_io,
      concat_if_possible("connection to ", address_,
                         " was closed, because there was no memory for what the agent sent"),
      "open the session again when there is");
}

/// The leader has found the end: every call in flight fails, and every later one.
void Connection::end(Errc code, std::string what, std::string_view remedy) noexcept {
  std::array<Place*, wire::kMaxCallsInFlight> ended{};
  std::size_t count = 0;
  {
    const MutexLock lock(mutex_);
    if (end_) return;
    end_ = {code, std::move(what), concat_if_possible(remedy)};
    cancels_.clear();
    drops_.clear();
    for (Place& place : table_.places()) {
      if (!table_.occupied(place)) continue;
      table_.set_waiting(place, false);
      if (place.abandoned) {
        place.pins.clear();
        table_.release(place);
      } else if (!place.done) {
        place.done = place.lost = true;
        place.receiving = false;
        if (!place.taken) ended[count++] = &place;
      }
      note_over(place);
    }
    sweep_ = true;
    if (writer_blocked_) wake(writer_woken_);
    places_changed_.fetch_add(1);
  }
  places_changed_.wake_all();
  channel_->shutdown();
  if (looked_after()) taking_.reactor->wake(*this);
  if (arena_ != nullptr) arena_->orphan();
  for (std::size_t i = 0; i < count; ++i) ended[i]->signal.raise();
}

Error Connection::end_error(const Op& op, std::string_view when) const noexcept {
  std::string_view what = end_->what;
  std::string_view remedy = end_->remedy;
  if (what.empty()) what = "the connection has ended";
  if (remedy.empty()) remedy = "open the session again";
  return Error{end_->code, concat_if_possible(what, when, op.name, ": ", remedy)};
}

Error Connection::stop_error(const Op& op, Patience::Stop stop) const noexcept {
  if (stop == Patience::Stop::interrupted) {
    return Error{Errc::interrupted, concat_if_possible(op.name, ": interrupted by a signal")};
  }
  if (stop == Patience::Stop::cancelled) {
    return Error{Errc::cancelled, concat_if_possible(op.name, ": cancelled")};
  }
  return Error{Errc::timed_out,
               concat_if_possible(op.name, ": no answer from ", address_,
                                  " in time: the agent may be busy; try again, or give the call "
                                  "more time")};
}

}  // namespace vac::remote
