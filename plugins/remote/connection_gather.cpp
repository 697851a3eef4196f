// SPDX-License-Identifier: Apache-2.0
// The turn, for calls that were taken: whoever has it sends theirs with its own, many at once, and
// leaves what the channel does not take now to the reactor.
#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include "call/types.hpp"
#include "connection.hpp"
#include "control_call.hpp"

namespace vac::remote {
namespace {

/// Frames up to this size are copied, so that many leave at once and their calls' memory is theirs.
constexpr std::size_t kCopiedFrame = 2 * wire::FrameEncoder::kCopiedPayload;
/// Of which so much is gathered.
constexpr std::size_t kGathered = std::size_t{64} << 10;

/// Whether the frame of a call is copied for certain.
bool is_small(const vac_call& call) noexcept {
  std::uint64_t bytes = call.meta_bytes;
  for (const vac_arg& record : std::span(call.args, call.arg_count)) {
    bytes += sizeof record;
    const bool data = record.form == VAC_ARRAY || record.form == VAC_TENSOR;
    if (!data || (record.dir & VAC_IN) == 0) continue;
    if (record.bytes > wire::FrameEncoder::kCopiedPayload) return false;
    bytes += wire::align_up(record.bytes);
  }
  return bytes <= wire::FrameEncoder::kCopiedPayload;
}

}  // namespace

/// Without memory for what has begun the connection is lost: who has the turn goes on to let it go.
void Connection::gather(Rounds rounds) noexcept {
  try {
    gather_rounds(rounds);
  } catch (const std::bad_alloc&) {
    drop_output();
  }
}

/// Until there is no more, the channel takes no more, or somebody else waits for the turn; or one
/// round of that, by a thread that has other things to do.
void Connection::gather_rounds(Rounds rounds) {
  std::array<Place*, wire::kMaxCallsInFlight> places{};
  do {
    withdraw_late_frame();
    if (!flush_output()) return;
    while (going_.place == nullptr && outbox_.size() < kGathered) {
      const std::size_t count = take_places(places);
      if (count == 0) break;
      make_frames(std::span(places).first(count));
    }
    // What is numbered behind a frame that has not begun must not leave before it.
    if (going_.place == nullptr) gather_drops();
    if (going_.place == nullptr) next_upload();
    if (going_.place == nullptr && outbox_.empty()) return;
    if (!flush_output()) return;
  } while (rounds == Rounds::all && !turn_is_wanted());
}

/// False: the turn is another's, or there is nothing to do in it. After the connection's end what
/// is left is dropped so, and the calls that it is of end.
bool Connection::gather_if_free(Rounds rounds) noexcept {
  {
    const MutexLock lock(mutex_);
    if (sending_) return false;
    if (!output_waits_ && cancels_.empty() && !can_gather() && !can_drop()) return false;
    sending_ = true;
  }
  gather(rounds);
  release_turn(rounds == Rounds::all ? Next::who_waits : Next::whoever_comes);
  return true;
}

/// Whether a call that waits could be sent.
bool Connection::can_gather() {
  return !waiting_.empty() && !end_ && !cancel_all_ && room_for_waiting() != 0;
}

/// Places for calls that wait, apart from those for threads that wait, who have come first; but
/// they get every second one at least.
std::uint32_t Connection::room_for_waiting() {
  const std::uint32_t free = table_.free_count();
  if (free > place_waiters_) return free - place_waiters_;
  return free != 0 && passed_over_ ? 1 : 0;
}

/// As many calls as have places and small frames, or one with a large one; numbered in the order in
/// which they are to leave.
std::size_t Connection::take_places(std::span<Place*> places) {
  const MutexLock lock(mutex_);
  if (end_ || cancel_all_) return 0;
  const std::uint32_t room = room_for_waiting();
  passed_over_ = room == 0 && table_.any_free();
  std::size_t count = 0;
  for (bool small = true; small && count < room;) {
    vac_call* const call = waiting_.front();
    if (call == nullptr) break;
    small = is_small(*call);
    if (!small && count != 0) break;
    waiting_.pop();
    // Another processor has written what is read next of this call, and of the next one.
    __builtin_prefetch(call->host_priv);
    if (const vac_call* const next = waiting_.front()) __builtin_prefetch(next->args);
    Place& place = *table_.try_take();
    place.call = call;
    place.op = find_op(call->op);
    place.host = taking_.host;
    place.patience = Patience(*call, times_.grace);
    place.taken = place.unsent = true;
    taken_ |= CallTable::bit(place);
    table_.number(place);
    places[count++] = &place;
  }
  return count;
}

/// Calls come first: half of the places stay theirs.
bool Connection::can_drop() {
  return !drops_.empty() && !sending_drops_ && !end_ && waiting_.empty() && table_.half_free();
}

/// What is to be given back leaves with the calls. Nobody waits for the answers.
void Connection::gather_drops() {
  Drop drop{Control::resource_drop, 0};
  Place* place = nullptr;
  while (outbox_.size() < kGathered && take_place_for_drop(drop, place)) {
    ControlCall call(drop.release, 0);
    if (drop.release == Control::resource_drop) {
      call.in_u64(drop.id);
    } else {
      call.in_u32(static_cast<std::uint32_t>(drop.id));
    }
    try {
      // It fits every frame.
      (void)place->encoder.encode_call(call.call(), place->request, 0, largest_frame_);
      append_to_outbox(place->encoder.frame());
    } catch (const std::bad_alloc&) {  // the agent keeps it until the connection ends
      const MutexLock lock(mutex_);
      place->done = true;
      end_upload(*place);
      return;
    }
    const MutexLock lock(mutex_);
    end_upload(*place);
  }
}

bool Connection::take_place_for_drop(Drop& drop, Place*& place) {
  const MutexLock lock(mutex_);
  if (!can_drop()) return false;
  drop = drops_.back();
  drops_.pop_back();
  place = table_.try_take();
  place->op = find_op(static_cast<std::uint32_t>(drop.release));
  place->host = nullptr;
  // Its encoder is in use, whatever the agent answers.
  place->abandoned = place->uploading = true;
  table_.number(*place);
  return true;
}

/// All of it or, without memory, nothing.
void Connection::append_to_outbox(std::span<const iovec> frame) {
  std::size_t needed = outbox_.size();
  for (const iovec& part : frame) needed += part.iov_len;
  if (needed > outbox_.capacity()) outbox_.reserve(std::max(needed, 2 * outbox_.capacity()));
  for (const iovec& part : frame) {
    const auto* const bytes = static_cast<const std::byte*>(part.iov_base);
    outbox_.insert(outbox_.end(), bytes, bytes + part.iov_len);
  }
}

void Connection::append_to_outbox(wire::FrameHeader& frame) {
  const iovec piece{&frame, sizeof frame};
  append_to_outbox({&piece, 1});
}

void Connection::make_frames(std::span<Place* const> places) {
  for (Place* const place : places) {
    try {
      make_frame(*place);
    } catch (const std::bad_alloc&) {
      fail_unsent(*place, Error{Errc::no_memory});
    }
  }
  const MutexLock lock(mutex_);
  for (Place* const place : places) {
    if (place != going_.place) let_go(*place);
  }
}

/// The turn's holder reads the call's memory no more, for which it may have been waited.
void Connection::let_go(Place& place) {
  place.unsent = false;
  note_over(place);
  if (over_ != 0 && !reactor_awake_ && looked_after()) taking_.reactor->wake(*this);
}

void Connection::make_frame(Place& place) {
  if (taking_.host->cancelled(place.call) != 0)
    return fail_unsent(place, waiting_error(*place.call));
  Status encoded = encode(place);
  if (!encoded) {
    return fail_unsent(place, std::move(encoded).error().with_context(place.op->name));
  }
  const bool follows = place.encoder.payload_follows();
  const std::span<iovec> frame = place.encoder.frame();
  if (!follows && place.encoder.frame_size() <= kCopiedFrame) {
    return append_to_outbox(frame);
  }
  going_ = {.place = &place, .rest = frame, .head = true};
  if (!follows) return;
  const MutexLock lock(mutex_);
  place.uploading = true;
}

/// Nothing of the call has left.
void Connection::fail_unsent(Place& place, Error why) noexcept {
  const MutexLock lock(mutex_);
  place.done = true;
  place.code = why.value();
  place.detail = why.detail();
  place.text = std::move(why).text();
}

/// Makes the next data frame go. A call that is answered already, or is to end, is cut short.
void Connection::next_upload() {
  while (!uploads_.empty()) {
    Place& place = *uploads_.front();
    uploads_.erase(uploads_.begin());
    bool cut = false;
    {
      const MutexLock lock(mutex_);
      cut = place.done || place.leaving || place.abandoned;
      place.unsent = !cut;
    }
    if (!cut) {
      const std::span<iovec> frame = place.encoder.next_data_frame();
      if (!frame.empty()) {
        going_ = {.place = &place, .rest = frame};
        return;
      }
    } else {
      wire::FrameHeader no_more;
      no_more.kind = wire::Kind::data;
      no_more.request = place.encoder.header().request;
      no_more.code = VAC_ECANCELED;
      append_to_outbox(no_more);
    }
    const MutexLock lock(mutex_);
    end_upload(place);
  }
}

void Connection::end_upload(Place& place) {
  place.uploading = false;
  if (place.abandoned && place.done) {
    free_place(place);
  } else {
    let_go(place);
  }
}

/// A frame of which nothing has left need not leave once its call is to end.
void Connection::withdraw_late_frame() {
  if (going_.place == nullptr || going_.begun) return;
  const MutexLock lock(mutex_);
  Place& place = *going_.place;
  if (!place.leaving) return;
  if (!std::exchange(going_, {}).head) {
    uploads_.push_back(&place);  // to be cut short
  } else {
    Error why = stop_error(*place.op, place.patience.stop());
    place.uploading = false;
    place.done = true;
    place.code = why.value();
    place.text = std::move(why).text();
  }
  let_go(place);
}

/// All of a frame has left that was going.
void Connection::on_frame_sent() {
  Place& place = *std::exchange(going_, {}).place;
  const MutexLock lock(mutex_);
  let_go(place);
  if (place.uploading) uploads_.push_back(&place);
}

/// The channel takes no more, which the leader finds out as well.
void Connection::drop_output() {
  channel_->shutdown();
  outbox_.clear();
  uploads_.clear();
  going_ = {};
  const MutexLock lock(mutex_);
  for (Place& place : table_.places()) {
    if (table_.occupied(place) && (place.unsent || place.uploading)) end_upload(place);
  }
}

bool Connection::turn_is_wanted() {
  const MutexLock lock(mutex_);
  return table_.first_sender() != nullptr;
}

}  // namespace vac::remote
