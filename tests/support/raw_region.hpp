// SPDX-License-Identifier: Apache-2.0
// A shared region in the hands of a test's client, which may do with it what it likes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/fd.hpp"
#include "support/raw_client.hpp"
#include "wire/regions.hpp"

namespace vac::test {

/// region_open, as it is called and answered.
RawReply open_region(RawClient& client, std::uint64_t bytes, std::uint32_t kind = 1);
RawReply prove_region(RawClient& client, std::uint64_t id, std::span<const std::byte> proof);
RawReply drop_region(RawClient& client, std::uint64_t id);

/// One region, mapped. Throws where the agent refuses.
class RawRegion final : public wire::RegionMap {
 public:
  static constexpr std::size_t kProofBytes = 16;

  /// `proven`: calls may name it.
  RawRegion(RawClient& client, std::uint64_t bytes, bool proven = true);
  ~RawRegion();
  RawRegion(const RawRegion&) = delete;
  RawRegion& operator=(const RawRegion&) = delete;

  std::uint64_t id() const noexcept { return id_; }
  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }
  const Fd& descriptor() const noexcept { return descriptor_; }
  std::optional<wire::RegionPart> find(const void* data, std::uint64_t bytes) override;

 private:
  std::uint64_t id_ = 0;
  Fd descriptor_;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A client that has said that it takes descriptors.
RawClient sharing_client(const std::string& address);

}  // namespace vac::test
