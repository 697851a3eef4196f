// SPDX-License-Identifier: Apache-2.0
// The calls in flight on one connection, and whose turn it is to send: state alone, no I/O.
#pragma once

#include <vac/plugin.h>

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "arena.hpp"
#include "base/futex_word.hpp"
#include "call/op_table.hpp"
#include "patience.hpp"
#include "scatter.hpp"
#include "wire/codec.hpp"
#include "wire/frame.hpp"

namespace vac::remote {

/// Tells one thread to look again at what it waits for. Who raises it has changed that under the
/// mutex before; who waits looks under the mutex after. It may be raised for nothing. Thread-safe.
class Signal {
 public:
  void raise() noexcept {
    if (word_.exchange(kRaised) == kAsleep) word_.wake_one();
  }
  /// Returns when it has been raised since the last wait, at the limit, or after a signal handler.
  FutexWait wait(std::optional<std::int64_t> limit_ns) noexcept {
    std::uint32_t idle = kIdle;
    const FutexWait result =
        word_.compare_exchange(idle, kAsleep) ? word_.wait(kAsleep, limit_ns) : FutexWait::changed;
    word_.exchange(kIdle);
    return result;
  }

 private:
  static constexpr std::uint32_t kIdle = 0, kAsleep = 1, kRaised = 2;
  FutexWord word_;
};

/// Strings that are being received; what the agent says of them is checked when they are here.
struct IncomingStrings {
  const std::byte* data;
  std::uint64_t bytes, count;
};

/// One call in flight. Its owner is the thread that made the call; of a call that was taken,
/// nobody: what is the owner's of that is guarded by the connection's mutex, but the encoder, which
/// is for whoever has the turn.
struct Place {
  /// Whether the owner wants to leave. The owner's alone; looks at the clock.
  bool impatient() noexcept {
    if (cancelled.load(std::memory_order_relaxed)) patience.cancel();
    return patience.over();
  }

  std::uint32_t index = 0;
  bool queued = false;    // the owner's alone: the turn to send was taken when it came
  bool answered = false;  // the leader's alone, while the call is in flight: its reply has begun

  // The owner's alone.
  Patience patience;
  wire::FrameEncoder encoder;
  std::vector<Arena::Pin> pins;  // of what the call has in regions, until the place is free

  // The leader's alone, while the call is in flight.
  std::uint64_t payload_left = 0;  // announced with the reply, to come in data frames
  Scatter scatter;
  std::vector<IncomingStrings> strings;

  /// Raised under the connection's mutex, for the owner to find when it looks at its patience.
  std::atomic<bool> cancelled{false};

  // Guarded by the connection's mutex; but what becomes of the leader's own call (`receiving`,
  // `done`) is the leader's alone, and no other thread looks.
  std::uint64_t request = 0;
  vac_call* call = nullptr;
  const Op* op = nullptr;
  const vac_host* host = nullptr;
  bool turn_lent = false;  // the turn to send was handed to it
  bool leads = false;      // the owner reads for all
  bool receiving = false;  // a frame is being received into its memory: the owner must stay
  bool leaving = false;    // the owner waits for the end of that frame alone
  bool abandoned = false;  // the owner has left: what comes is dropped
  bool done = false;
  bool lost = false;       // done, by the end of the connection
  bool taken = false;      // no thread waits for the call
  bool unsent = false;     // taken, and the turn's holder reads its memory: it must stay
  bool uploading = false;  // taken, and more of its payload is to come: the place must stay
  int code = VAC_OK;
  std::uint32_t detail = 0;
  std::string text;
  std::vector<wire::RegionResult> placed;  // results that the agent may leave in a region
  Place* next_sender = nullptr;

  Signal signal;
};

/// A fixed number of places. Guarded by the connection's mutex as a whole.
class CallTable {
 public:
  /// `capacity`: calls in flight, at most 64.
  explicit CallTable(std::uint32_t capacity) noexcept;
  CallTable(const CallTable&) = delete;
  CallTable& operator=(const CallTable&) = delete;

  /// The lowest free place, made blank; nullptr when all are taken.
  Place* try_take() noexcept;
  void release(Place& place) noexcept;
  bool any_free() const noexcept { return free_ != 0; }
  std::uint32_t free_count() const noexcept {
    return static_cast<std::uint32_t>(std::popcount(free_));
  }
  /// Whether half of the places are free, and at least one.
  bool half_free() const noexcept {
    return any_free() && 2 * std::popcount(free_) >= std::popcount(all_);
  }

  /// Whether one place is taken, and no more.
  bool one_taken() const noexcept { return std::has_single_bit(all_ & ~free_); }

  /// Gives the next request number, which is greater than all before.
  void number(Place& place) noexcept { place.request = ++serial_ << kIndexBits | place.index; }
  /// The call that has this number; nullptr when there is none in flight.
  Place* find(std::uint64_t request) noexcept;

  /// Whether the owner sleeps until its call is done, so that it can be given the lead.
  void set_waiting(const Place& place, bool waiting) noexcept;
  /// One that sleeps, and does not count as such any more; nullptr when there is none.
  Place* take_waiting() noexcept;

  /// Those who want to send, first come first.
  void queue_sender(Place& place) noexcept;
  void leave_senders(const Place& place) noexcept;
  Place* first_sender() const noexcept { return first_sender_; }

  /// All places, free ones too.
  std::span<Place> places() noexcept { return places_; }
  bool occupied(const Place& place) const noexcept { return (all_ & ~free_ & bit(place)) != 0; }
  static std::uint64_t bit(const Place& place) noexcept { return std::uint64_t{1} << place.index; }

 private:
  static constexpr std::uint32_t kIndexBits = 6;
  static_assert(wire::kMaxCallsInFlight == 1U << kIndexBits);

  std::array<Place, wire::kMaxCallsInFlight> places_;
  const std::uint64_t all_;  // a bit a place, as in free_ and waiting_
  std::uint64_t free_;
  std::uint64_t waiting_ = 0;
  std::uint64_t serial_ = 0;
  Place* first_sender_ = nullptr;
  Place* last_sender_ = nullptr;
};

}  // namespace vac::remote
