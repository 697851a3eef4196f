// SPDX-License-Identifier: Apache-2.0
// The lead: one thread at a time reads, for all.
#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "base/text.hpp"
#include "call/check.hpp"
#include "connection.hpp"
#include "poll_until.hpp"

namespace vac::remote {
namespace {

using transport::Wait;

constexpr std::int64_t kMillisecondNs = 1'000'000;
// The system's time-out of a receive is as coarse as this.
constexpr std::int64_t kFineMs = 4;
// A time-out that was set for another call serves if it ends no later, and not senselessly often.
constexpr std::int64_t kOftenMs = 1000;
constexpr auto kRegionOpen = static_cast<std::uint32_t>(Control::region_open);

bool strings_fit(const Place& place) {
  return std::ranges::all_of(place.strings, [](const IncomingStrings& strings) {
    return string_elements_fit({strings.data, static_cast<std::size_t>(strings.bytes)},
                               strings.count);
  });
}

}  // namespace

/// Reads until the leader's own call is done, or without one until there is a free place or the
/// leader is to look around; or until its patience is over, or the connection has ended.
void Connection::lead(Place* own, Patience& patience) {
  own_ = own;
  try {
    while (handle_frames() && !lead_is_over(own)) {
      const bool over = own != nullptr ? own->impatient() : patience.over();
      if (over && !must_stay(own, patience)) return;
      receive(own, patience);
    }
  } catch (const std::bad_alloc&) {
    end_without_memory();
  }
}

bool Connection::lead_is_over(const Place* own) {
  if (own != nullptr) return own->done;  // by this thread, if at all
  const MutexLock lock(mutex_);
  return table_.any_free() || end_.has_value() || leader_woken_;
}

/// Whether a leader whose patience is over has to go on: half a frame is in its call's memory.
bool Connection::must_stay(const Place* own, const Patience& patience) {
  if (own == nullptr || !own->receiving) return false;
  if (!patience.grace_over()) return true;
  give_up("the agent stopped in the middle of a reply");
  end_of_stream();
  return false;
}

void Connection::receive(const Place* own, Patience& patience) {
  if (own == nullptr) {
    if (poll_for_room(patience)) (void)receive_some(Wait::now);
    return;
  }
  const std::optional<Wait> wait = prepare_receive(patience);
  if (!wait) return;
  const std::ptrdiff_t received = receive_some(*wait);
  if (received == -EINTR) patience.interrupt();
  if (received == -EAGAIN && patience.limit_ns() == 0 && receive_timeout_ms_ != 0) {
    receive_timeout_ms_ = 0;
    channel_->set_receive_timeout(std::chrono::milliseconds(0));
  }
}

/// What is there already, without waiting.
void Connection::receive_now() {
  try {
    if (receive_some(Wait::now) > 0) (void)handle_frames();
  } catch (const std::bad_alloc&) {
    end_without_memory();
  }
}

std::ptrdiff_t Connection::receive_some(Wait wait) {
  const std::span<iovec> to = reader_.want();
  // The plain receive is the cheaper system call.
  const std::ptrdiff_t received =
      to.size() == 1 ? channel_->receive(
                           std::span(static_cast<std::byte*>(to[0].iov_base), to[0].iov_len), wait)
                     : channel_->receive(to, wait);
  if (received > 0) {
    reader_.received(static_cast<std::size_t>(received));
  } else if (received != -EAGAIN && received != -EINTR) {
    end_of_stream();
  }
  return received;
}

/// Waits for something to receive, and for room; false: look at the table and the clock again. A
/// free place need not come from a frame: its call may have been withdrawn.
bool Connection::poll_for_room(Patience& patience) {
  std::array<pollfd, 2> descriptors{};
  descriptors[0].fd = channel_->descriptor();
  descriptors[1].fd = wake_event_.get();
  for (pollfd& descriptor : descriptors) descriptor.events = POLLIN;
  if (!poll_until(descriptors, patience.limit_ns())) patience.interrupt();
  return descriptors[0].revents != 0;
}

/// How to receive so that it ends in time; nothing: do not, look at the clock instead. A frame's
/// payload is waited for as a whole only where there is all the time: an agent that sends it in
/// small pieces could make that wait as long as it likes.
std::optional<Wait> Connection::prepare_receive(Patience& patience) {
  const std::int64_t limit = patience.limit_ns();
  if (limit == 0) return reader_.in_payload() && patience.endless() ? Wait::all : Wait::block;
  const std::int64_t left = limit - now_ns();
  if (left <= 0) return std::nullopt;
  if (left < kFineMs * kMillisecondNs) {
    std::array<pollfd, 1> descriptor{};
    descriptor[0].fd = channel_->descriptor();
    descriptor[0].events = POLLIN;
    if (!poll_until(descriptor, limit)) patience.interrupt();
    return descriptor[0].revents != 0 ? std::optional(Wait::now) : std::nullopt;
  }
  const std::int64_t left_ms = left / kMillisecondNs;
  if (receive_timeout_ms_ > left_ms + kFineMs ||
      receive_timeout_ms_ < std::min(left_ms / 4, kOftenMs)) {
    receive_timeout_ms_ = left_ms;
    channel_->set_receive_timeout(std::chrono::milliseconds(left_ms));
  }
  return Wait::block;
}

/// Handles all frames that are complete, and the heads of those that are not. False: the connection
/// has ended.
bool Connection::dispatch() {
  for (;;) {
    const auto step = reader_.next();
    if (!step) return breach(step.error().text());
    switch (*step) {
      case FrameReader::Step::more:
        return true;
      case FrameReader::Step::head:
        if (!on_head()) return false;
        break;
      case FrameReader::Step::end:
        if (!on_end()) return false;
        break;
    }
  }
}

/// The same, and what follows for calls that were taken: some are over, or get places.
bool Connection::handle_frames() {
  const bool goes_on = dispatch();
  if (std::exchange(to_settle_, false)) settle(Rounds::one);
  return goes_on;
}

bool Connection::breach(std::string_view how) noexcept {
  end(Errc::protocol,
      concat_if_possible("connection to ", address_,
                         " was closed, because the agent broke the protocol (", how, ")"),
      "see whether the agent is of this version");
  return false;
}

bool Connection::on_head() {
  const wire::FrameHeader& header = reader_.header();
  switch (header.kind) {
    case wire::Kind::reply:
      return on_reply(header);
    case wire::Kind::data:
      return on_data(header);
    case wire::Kind::goodbye: {
      const std::string text = wire::failure_text(reader_.head());
      end(static_cast<Errc>(wire::failure_code(header, VAC_EREMOTEIO)),
          concat_if_possible("the agent at ", address_, " ended the connection"),
          text.empty() ? "it gave no reason" : text);
      return false;
    }
    default:
      return breach("it sent a frame that only a client sends");
  }
}

/// The call that a frame is for, whose owner stays until the frame's end or has left before.
/// nullptr: it is for none.
Place* Connection::take_frame(const wire::FrameHeader& header) {
  const auto takes = [&](const Place& place) {
    return header.kind == wire::Kind::reply ? !place.answered : place.payload_left != 0;
  };
  if (own_ != nullptr && own_->request == header.request) {  // no other thread looks at it
    if (!takes(*own_)) return nullptr;
    frame_dropped_ = false;
    own_->receiving = true;
    frame_placed_.assign(own_->placed.begin(), own_->placed.end());
    return frame_place_ = own_;
  }
  const MutexLock lock(mutex_);
  Place* place = table_.find(header.request);
  if (place == nullptr || !takes(*place)) return nullptr;
  frame_dropped_ = place->abandoned;
  place->receiving = !place->abandoned;
  frame_placed_.assign(place->placed.begin(), place->placed.end());
  return frame_place_ = place;
}

bool Connection::on_reply(const wire::FrameHeader& header) {
  Place* place = take_frame(header);
  if (place == nullptr) return breach("it answered a call that is not in flight");
  place->answered = true;
  if ((header.flags & wire::kFlagPayloadFollows) != 0) place->payload_left = header.payload_bytes;
  if (frame_dropped_) return place->op->id != kRegionOpen || return_late_region(*place);
  place->call->queue_us = header.queue_us;
  place->call->plugin_us = header.plugin_us;
  place->call->agent_us = header.agent_us;
  if (header.code == VAC_OK) return plan_reply(*place);
  take_failure(*place, header);
  return true;
}

bool Connection::on_data(const wire::FrameHeader& header) {
  Place* place = take_frame(header);
  if (place == nullptr || header.payload_bytes > place->payload_left) {
    return breach("it sent data that it had not announced");
  }
  if (header.code != VAC_OK) place->payload_left = 0;
  if (frame_dropped_ || place->code != VAC_OK) return true;
  if (header.code == VAC_OK) {
    reader_.scatter_to(place->scatter);
  } else {
    take_failure(*place, header);
  }
  return true;
}

bool Connection::plan_reply(Place& place) {
  Status planned = plan_.make(*place.op, reader_.head(), *place.call, place.host, frame_placed_,
                              place.scatter, place.strings);
  if (planned) {
    reader_.scatter_to(place.scatter);
    return true;
  }
  if (planned.error().code() == Errc::protocol) return breach(planned.error().text());
  place.code = planned.error().value();
  place.text = planned.error().text();
  return true;
}

/// The agent's answer is that the call has failed.
void Connection::take_failure(Place& place, const wire::FrameHeader& header) {
  place.code = wire::failure_code(header, VAC_EIO);
  place.detail = header.detail;
  place.text = wire::failure_text(reader_.head());
  if (place.text.empty()) place.text = concat(place.op->name, ": ", error_text(place.code));
}

bool Connection::on_end() {
  Place& place = *std::exchange(frame_place_, nullptr);
  if (reader_.header().kind == wire::Kind::data) {
    place.payload_left -= std::min(place.payload_left, reader_.header().payload_bytes);
  }
  const bool complete = place.payload_left == 0;
  if (complete && !frame_dropped_ && place.code == VAC_OK && !strings_fit(place)) {
    return breach("it sent strings whose lengths do not fit");
  }
  if (&place == own_) {
    place.receiving = false;
    place.done = complete;
    return true;
  }
  bool wake = false;
  {
    const MutexLock lock(mutex_);
    place.receiving = false;
    if (!frame_dropped_) {
      place.done = complete;
      wake = !place.taken && (complete || place.leaving);
      if (complete) table_.set_waiting(place, false);
      note_over(place);
      to_settle_ = to_settle_ || over_ != 0;
    } else if (complete && place.uploading) {
      place.done = true;  // who has the turn frees it
    } else if (complete) {
      free_place(place);
      to_settle_ = to_settle_ || !waiting_.empty();
    }
  }
  if (wake) place.signal.raise();
  return true;
}

}  // namespace vac::remote
