// SPDX-License-Identifier: Apache-2.0
#include "granted_regions.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>

#include "fuzz.hpp"
#include "wire/regions.hpp"

namespace vac::fuzz {

GrantedRegions::~GrantedRegions() {
  for (const auto& [id, region] : regions_) ::munmap(region.bytes.data(), region.bytes.size());
}

bool GrantedRegions::add(std::uint32_t id, std::uint64_t bytes, Fd descriptor) {
  require(id != 0 && id <= wire::kMostRegions, "a region has a number that none can have");
  struct stat about{};
  require(::fstat(descriptor.get(), &about) == 0 &&
              static_cast<std::uint64_t>(about.st_size) == bytes && bytes % 4096 == 0,
          "a region has not the size that the agent says");
  constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
  require(::fcntl(descriptor.get(), F_GET_SEALS) == kSeals, "a region's size is not sealed");
  void* const mapped =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.get(), 0);
  require(mapped != MAP_FAILED, "a region cannot be mapped");

  Region region{std::move(descriptor), {static_cast<std::byte*>(mapped), bytes}, {}};
  std::ranges::copy(region.bytes.first(kProofBytes), region.proof.begin());
  require(std::ranges::all_of(region.bytes.subspan(kProofBytes),
                              [](std::byte byte) { return byte == std::byte{0}; }),
          "a new region is not empty");
  const bool has_proof = region.proof != Proof{};
  if (has_proof) {
    require(proofs_.emplace(id, region.proof).second, "two regions have the same proof");
  }
  if (const std::span<std::byte> old = find(id); !old.empty()) ::munmap(old.data(), old.size());
  regions_.insert_or_assign(id, std::move(region));
  return has_proof;
}

std::span<std::byte> GrantedRegions::find(std::uint32_t id) const {
  const auto found = regions_.find(id);
  return found == regions_.end() ? std::span<std::byte>() : found->second.bytes;
}

int GrantedRegions::descriptor(std::uint32_t id) const {
  const auto found = regions_.find(id);
  return found == regions_.end() ? -1 : found->second.descriptor.get();
}

GrantedRegions::Proof GrantedRegions::proof(std::uint32_t id) const {
  const auto found = regions_.find(id);
  return found == regions_.end() ? Proof{} : found->second.proof;
}

bool GrantedRegions::is_proof(std::uint32_t id, std::span<const std::byte> proof) const {
  Proof known;
  if (proof.size() != known.size()) return false;
  std::ranges::copy(proof, known.begin());
  return proofs_.contains({id, known});
}

}  // namespace vac::fuzz
