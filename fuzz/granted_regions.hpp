// SPDX-License-Identifier: Apache-2.0
// The shared regions that an agent has granted to a client of the harness.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "base/fd.hpp"

namespace vac::fuzz {

/// Mapped as a client maps them. Confined to one thread.
class GrantedRegions {
 public:
  static constexpr std::size_t kProofBytes = 16;
  using Proof = std::array<std::byte, kProofBytes>;

  GrantedRegions() = default;
  ~GrantedRegions();
  GrantedRegions(const GrantedRegions&) = delete;
  GrantedRegions& operator=(const GrantedRegions&) = delete;

  /// What the agent has answered. It must be memory that can neither shrink nor grow, zero but for
  /// its proof. Takes the place of the one that had the number. False: even its proof is zero, as
  /// in one that was dropped before it was looked at.
  bool add(std::uint32_t id, std::uint64_t bytes, Fd descriptor);

  /// Empty: there never was one. A region that is gone on the agent's side stays.
  std::span<std::byte> find(std::uint32_t id) const;
  int descriptor(std::uint32_t id) const;
  /// The bytes that were at its start; zeros where there never was one.
  Proof proof(std::uint32_t id) const;
  /// Whether any region of that number had this proof.
  bool is_proof(std::uint32_t id, std::span<const std::byte> proof) const;

 private:
  struct Region {
    Fd descriptor;
    std::span<std::byte> bytes;
    Proof proof;
  };

  std::map<std::uint32_t, Region> regions_;
  std::set<std::pair<std::uint32_t, Proof>> proofs_;
};

}  // namespace vac::fuzz
