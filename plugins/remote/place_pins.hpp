// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arena.hpp"
#include "wire/regions.hpp"

namespace vac::remote {

/// Finds what a call has in regions, and notes the pins. Confined to the thread that encodes.
class PlacePins final : public wire::RegionMap {
 public:
  PlacePins(Arena& arena, std::vector<Arena::Pin>& pins) noexcept : arena_(arena), pins_(pins) {}

  std::optional<wire::RegionPart> find(const void* data, std::uint64_t bytes) override {
    Arena::Pin pin;
    pins_.reserve(pins_.size() + 1);  // before there is something to be lost
    const std::optional<wire::RegionPart> part = arena_.pin(data, bytes, pin);
    if (part) pins_.push_back(pin);
    return part;
  }

 private:
  Arena& arena_;
  std::vector<Arena::Pin>& pins_;
};

}  // namespace vac::remote
