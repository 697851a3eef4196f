// SPDX-License-Identifier: Apache-2.0
#include "call_table.hpp"

#include <bit>

namespace vac::remote {

CallTable::CallTable(std::uint32_t capacity) noexcept
    : all_(capacity >= wire::kMaxCallsInFlight ? ~std::uint64_t{0}
                                               : (std::uint64_t{1} << capacity) - 1),
      free_(all_) {
  std::uint32_t index = 0;
  for (Place& place : places_) place.index = index++;
}

Place* CallTable::try_take() noexcept {
  if (free_ == 0) return nullptr;
  Place& place = places_[static_cast<std::size_t>(std::countr_zero(free_))];
  free_ &= free_ - 1;
  place.answered = place.turn_lent = place.leads = place.receiving = false;
  place.leaving = place.abandoned = place.done = place.lost = false;
  place.taken = place.unsent = place.uploading = false;
  place.cancelled.store(false, std::memory_order_relaxed);
  place.payload_left = 0;
  place.request = 0;
  place.placed.clear();
  place.code = VAC_OK;
  place.detail = 0;
  return &place;
}

void CallTable::release(Place& place) noexcept {
  place.request = 0;
  place.call = nullptr;
  waiting_ &= ~bit(place);
  free_ |= bit(place);
}

Place* CallTable::find(std::uint64_t request) noexcept {
  Place& place = places_[request & (wire::kMaxCallsInFlight - 1)];
  return request != 0 && place.request == request ? &place : nullptr;
}

void CallTable::set_waiting(const Place& place, bool waiting) noexcept {
  waiting_ = waiting ? waiting_ | bit(place) : waiting_ & ~bit(place);
}

Place* CallTable::take_waiting() noexcept {
  if (waiting_ == 0) return nullptr;
  Place& place = places_[static_cast<std::size_t>(std::countr_zero(waiting_))];
  waiting_ &= waiting_ - 1;
  return &place;
}

void CallTable::queue_sender(Place& place) noexcept {
  place.next_sender = nullptr;
  (first_sender_ == nullptr ? first_sender_ : last_sender_->next_sender) = &place;
  last_sender_ = &place;
}

void CallTable::leave_senders(const Place& place) noexcept {
  Place* before = nullptr;
  for (Place* sender = first_sender_; sender != nullptr; sender = sender->next_sender) {
    if (sender == &place) {
      (before == nullptr ? first_sender_ : before->next_sender) = sender->next_sender;
      if (last_sender_ == sender) last_sender_ = before;
      return;
    }
    before = sender;
  }
}

}  // namespace vac::remote
