// SPDX-License-Identifier: Apache-2.0
#include "buddy.hpp"

#include "base/assert.hpp"

namespace vac::remote {

Buddy::Buddy(std::uint64_t bytes)
    : top_order_(order_for(bytes)), nodes_(std::size_t{2} << top_order_) {
  VAC_ASSERT(manages(bytes));
  static_assert(kLargestRange / kSmallestBlock < kTaken, "orders and kTaken share a word");
  nodes_[kRoot] = bit(top_order_);
}

std::optional<std::uint64_t> Buddy::allocate(std::uint64_t bytes) noexcept {
  if (bytes > size()) return std::nullopt;
  const std::uint32_t order = order_for(bytes);
  const std::uint32_t fitting = nodes_[kRoot] & ~kTaken & ~(bit(order) - 1);
  if (fitting == 0) return std::nullopt;
  const auto found = static_cast<std::uint32_t>(std::countr_zero(fitting));

  Place place{kRoot, top_order_};
  for (; place.order > found; --place.order) {
    place.node *= 2;
    if ((nodes_[place.node] & bit(found)) == 0) ++place.node;
  }
  // What is too large is halved, and the lower half kept.
  while (place.order > order) {
    place = {2 * place.node, place.order - 1};
    nodes_[place.node + 1] = bit(place.order);
  }
  nodes_[place.node] = kTaken;
  update_above(place);
  return block_at(place).offset;
}

void Buddy::release(std::uint64_t offset) noexcept {
  const std::optional<Place> place = find_place(offset);
  VAC_ASSERT(place && block_at(*place).offset == offset);
  nodes_[place->node] = bit(place->order);
  update_above(*place);
}

std::optional<Buddy::Block> Buddy::find_block(std::uint64_t offset) const noexcept {
  const std::optional<Place> place = find_place(offset);
  if (!place) return std::nullopt;
  return block_at(*place);
}

/// Of the smallest block that holds so many bytes.
std::uint32_t Buddy::order_for(std::uint64_t bytes) noexcept {
  return bytes == 0 ? 0 : static_cast<std::uint32_t>(std::bit_width((bytes - 1) / kSmallestBlock));
}

Buddy::Block Buddy::block_at(Place place) const noexcept {
  const std::uint64_t bytes = kSmallestBlock << place.order;
  const std::size_t first_of_level = std::size_t{1} << (top_order_ - place.order);
  return {(place.node - first_of_level) * bytes, bytes};
}

/// Where the taken block is in which the offset lies.
std::optional<Buddy::Place> Buddy::find_place(std::uint64_t offset) const noexcept {
  if (offset >= size()) return std::nullopt;
  const std::uint64_t leaf = offset / kSmallestBlock;
  Place place{kRoot, top_order_};
  while (nodes_[place.node] != kTaken) {
    if (nodes_[place.node] == bit(place.order)) return std::nullopt;
    --place.order;
    place.node = 2 * place.node + ((leaf >> place.order) & 1);
  }
  return place;
}

/// Brings what the nodes above say up to date with `place`; two free halves become a free whole.
void Buddy::update_above(Place place) noexcept {
  for (; place.node != kRoot; place = {place.node / 2, place.order + 1}) {
    const std::uint32_t own = nodes_[place.node];
    const std::uint32_t buddy = nodes_[place.node ^ 1];
    const bool whole = own == bit(place.order) && buddy == own;
    nodes_[place.node / 2] = whole ? bit(place.order + 1) : (own | buddy) & ~kTaken;
  }
}

}  // namespace vac::remote
