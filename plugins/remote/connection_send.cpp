// SPDX-License-Identifier: Apache-2.0
// The turn: one thread at a time sends, and never blocks in it without reading or being read for.
#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "connection.hpp"
#include "place_pins.hpp"
#include "poll_until.hpp"

namespace vac::remote {
namespace {

void advance(std::span<iovec>& pieces, std::size_t bytes) noexcept {
  while (!pieces.empty() && bytes >= pieces.front().iov_len) {
    bytes -= pieces.front().iov_len;
    pieces = pieces.subspan(1);
  }
  if (bytes == 0) return;
  pieces.front().iov_base = static_cast<std::byte*>(pieces.front().iov_base) + bytes;
  pieces.front().iov_len -= bytes;
}

}  // namespace

/// Sends the call of a place that has the turn or queues for it. On an error the place is free
/// again and nothing of the call has left; a channel that breaks is no error here: the leader finds
/// its end.
Status Connection::send_call(Place& place) {
  if (place.queued && !wait_for_turn(place)) return withdraw(place, std::nullopt);
  std::optional<Error> refused;
  Push pushed = Push::broken;
  bool has_turn = true;
  try {
    if (Status encoded = encode(place); !encoded) {
      refused = std::move(encoded).error().with_context(place.op->name);
    } else {
      pushed = push(place.encoder.frame(), place);
      const bool follows = pushed == Push::sent && place.encoder.payload_follows();
      if (follows) has_turn = push_payload(place);
    }
  } catch (const std::bad_alloc&) {
    if (pushed == Push::sent) {
      channel_->shutdown();  // half a call helps nobody
    } else {
      refused = Error{Errc::no_memory};
    }
  }
  if (has_turn) release_turn();
  if (refused || pushed == Push::withdrawn) return withdraw(place, std::move(refused));
  return {};
}

/// Makes the frame of a call. What it has in regions is busy from now on.
Status Connection::encode(Place& place) {
  std::optional<PlacePins> pins;
  if (arena_ != nullptr) pins.emplace(*arena_, place.pins);
  VAC_CHECK(place.encoder.encode_call(*place.call, place.request, place.patience.left_us(),
                                      largest_frame_, pins ? &*pins : nullptr));
  if (place.encoder.placed().empty()) return {};
  const MutexLock lock(mutex_);
  place.placed.assign(place.encoder.placed().begin(), place.encoder.placed().end());
  return {};
}

/// Frees a place whose call has not been sent.
Status Connection::withdraw(Place& place, std::optional<Error> why) noexcept {
  Place* next = nullptr;
  {
    const MutexLock lock(mutex_);
    if (!why) {
      why = place.done ? end_error(*place.op, " before ")
                       : stop_error(*place.op, place.patience.stop());
    }
    if (place.leads) next = pass_lead(&place);
    free_place(place);
  }
  if (next != nullptr) next->signal.raise();
  gather_if_free(Rounds::one);
  return *std::move(why);
}

/// False: the owner's patience is over or the connection has ended, and the turn is another's.
bool Connection::wait_for_turn(Place& place) {
  for (;;) {
    place.patience.note(place.signal.wait(place.patience.futex_limit()));
    const MutexLock lock(mutex_);
    if (place.turn_lent || !sending_) {
      if (!place.turn_lent) table_.leave_senders(place);
      place.turn_lent = false;
      sending_ = true;
      if (place.request == 0) table_.number(place);
      return true;
    }
    if (place.done || place.impatient()) {
      table_.leave_senders(place);
      return false;
    }
  }
}

/// Lets the first who waits for the turn have it, and waits for it again. The turn goes from hand
/// to hand here: if it were merely let go, this thread would be the first to take it. The lead goes
/// too: who sends much reads little.
bool Connection::lend_turn(Place& place) {
  Place* next_leader = nullptr;
  Place* borrower = nullptr;
  {
    const MutexLock lock(mutex_);
    if (place.leads) next_leader = pass_lead(&place);
    borrower = table_.first_sender();
    if (borrower != nullptr) {
      table_.leave_senders(*borrower);
      borrower->turn_lent = true;
      table_.queue_sender(place);
    }
  }
  if (next_leader != nullptr) next_leader->signal.raise();
  if (borrower == nullptr) {
    gather(Rounds::one);
    return true;
  }
  borrower->signal.raise();
  return wait_for_turn(place);
}

/// Cancels that have come up meanwhile leave first, and calls that were taken. Who is woken takes
/// the turn only if no thread that runs already has, unless it is for who waits: handing it over
/// would cost every call a switch of threads.
void Connection::release_turn(Next next_holder) {
  Place* next = nullptr;
  bool flushed = true;
  bool gathered = false;
  for (;;) {
    bool gathers = false;
    {
      const MutexLock lock(mutex_);
      gathers = flushed && !gathered && can_gather();
      if (!gathers && (cancels_.empty() || !flushed)) {
        next = table_.first_sender();
        sending_ = next_holder == Next::who_waits && next != nullptr;
        if (sending_) {
          table_.leave_senders(*next);
          next->turn_lent = true;
        }
        output_waits_ = !outbox_.empty() || going_.place != nullptr || !uploads_.empty();
        const bool more = output_waits_ || (gathered && can_gather());
        if (more && !reactor_awake_ && looked_after()) taking_.reactor->wake(*this);
        break;
      }
      if (!gathers) move_cancels_to_outbox();
    }
    gathered = gathered || gathers;
    if (gathers) gather(Rounds::one);
    flushed = flush_output();
  }
  if (next != nullptr) next->signal.raise();
}

/// A cancel is advice: one for which there is no memory is left out.
void Connection::move_cancels_to_outbox() noexcept {
  try {
    for (const std::uint64_t request : cancels_) {
      wire::FrameHeader cancel;
      cancel.kind = wire::Kind::cancel;
      cancel.request = request;
      append_to_outbox(cancel);
    }
  } catch (const std::bad_alloc&) {  // their calls go on at the agent
  }
  cancels_.clear();
}

void Connection::send_cancels() {
  {
    const MutexLock lock(mutex_);
    if (sending_ || cancels_.empty()) return;  // who has the turn sends them before it lets go
    sending_ = true;
  }
  release_turn();
}

/// The payload of a call whose frame has left, taking turns with other calls. False: the turn is
/// not this thread's any more. A call that is answered already, or whose owner leaves, is cut
/// short.
bool Connection::push_payload(Place& place) {
  for (;;) {
    look_for_answer(place);
    if (answered(place) || place.impatient()) {
      wire::FrameHeader no_more;
      no_more.kind = wire::Kind::data;
      no_more.request = place.request;
      no_more.code = VAC_ECANCELED;
      append_to_outbox(no_more);
      (void)flush_output();
      return true;
    }
    if (!lend_turn(place)) return false;
    const std::span<iovec> frame = place.encoder.next_data_frame();
    if (frame.empty() || push(frame, place) == Push::broken) return true;
  }
}

/// A sender that never has to wait would not learn that the agent wants no more, if nobody reads.
void Connection::look_for_answer(Place& place) {
  {
    const MutexLock lock(mutex_);
    if (!leading_) leading_ = place.leads = true;
    if (!place.leads) return;
  }
  own_ = &place;
  receive_now();
}

bool Connection::answered(const Place& place) {
  const MutexLock lock(mutex_);
  return place.done;
}

Connection::Push Connection::push(std::span<iovec> frame, Place& place) {
  Patience& patience = place.patience;
  bool started = false;
  for (;;) {
    const bool clear = flush_output();
    const std::ptrdiff_t sent = clear ? channel_->send(frame, transport::Wait::now) : -EAGAIN;
    if (sent > 0) {
      started = true;
      advance(frame, static_cast<std::size_t>(sent));
      if (frame.empty()) return Push::sent;
    } else if (sent == -EINTR) {
      patience.interrupt();
    } else if (sent != -EAGAIN) {
      channel_->shutdown();
      return Push::broken;
    } else if (place.impatient() && !started) {
      return Push::withdrawn;
    } else if (patience.grace_over()) {
      give_up("the agent took no more data in the middle of a call");
      return Push::broken;
    } else if (!wait_until_writable(place)) {
      return Push::broken;
    }
  }
}

/// Sends what it can without waiting. False: something is left.
bool Connection::flush_outbox() {
  while (!outbox_.empty()) {
    const iovec piece{outbox_.data(), outbox_.size()};
    const std::ptrdiff_t sent = channel_->send({&piece, 1}, transport::Wait::now);
    if (sent > 0) {
      outbox_.erase(outbox_.begin(), outbox_.begin() + sent);
    } else if (sent == -EAGAIN) {
      return false;
    } else if (sent != -EINTR) {
      outbox_.clear();
      channel_->shutdown();
    }
  }
  return true;
}

/// The same for all that is on its way for others.
bool Connection::flush_output() {
  for (;;) {
    if (going_.place == nullptr || (!going_.begun && !outbox_.empty())) {
      if (outbox_.empty()) return true;
      if (!flush_outbox()) return false;
      continue;
    }
    const std::ptrdiff_t sent = channel_->send(going_.rest, transport::Wait::now);
    if (sent > 0) {
      going_.begun = true;
      advance(going_.rest, static_cast<std::size_t>(sent));
      if (going_.rest.empty()) on_frame_sent();
    } else if (sent == -EAGAIN) {
      return false;
    } else if (sent != -EINTR) {
      drop_output();
    }
  }
}

/// Waits for room in the pipe, reading meanwhile if nobody else does: the agent may be waiting for
/// room in the other pipe. False: the connection has ended.
bool Connection::wait_until_writable(Place& place) {
  bool reads = false;
  {
    const MutexLock lock(mutex_);
    if (end_) return false;
    if (!leading_) leading_ = place.leads = true;
    reads = place.leads;
    writer_blocked_ = !reads;
  }
  std::array<pollfd, 2> descriptors{};
  descriptors[0].fd = channel_->descriptor();
  descriptors[0].events = static_cast<short>(reads ? POLLIN | POLLOUT : POLLOUT);
  descriptors[1].fd = wake_event_.get();
  descriptors[1].events = POLLIN;
  const std::span<pollfd> polled(descriptors.data(), reads ? 1 : 2);
  if (!poll_until(polled, place.patience.limit_ns())) place.patience.interrupt();
  if (reads) {
    own_ = &place;
    if ((descriptors[0].revents & ~POLLOUT) != 0) receive_now();
    return true;
  }
  const MutexLock lock(mutex_);
  writer_blocked_ = false;
  if (writer_woken_) awake(writer_woken_);
  return true;
}

}  // namespace vac::remote
