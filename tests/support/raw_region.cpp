// SPDX-License-Identifier: Apache-2.0
#include "support/raw_region.hpp"

#include <sys/mman.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace vac::test {
namespace {

std::uint32_t op_id(const char* name) { return find_op(name)->id; }

}  // namespace

RawReply open_region(RawClient& client, std::uint64_t bytes, std::uint32_t kind) {
  BuiltCall call(op_id("region_open"));
  call.scalar(VAC_U64, bytes).scalar(VAC_U32, kind);
  call.out_scalar(VAC_U32).out_scalar(VAC_U32).out_scalar(VAC_U64).out_scalar(VAC_U64);
  return client.run(call);
}

RawReply prove_region(RawClient& client, std::uint64_t id, std::span<const std::byte> proof) {
  BuiltCall call(op_id("region_ready"));
  call.scalar(VAC_U32, id).array(VAC_BYTE, proof);
  return client.run(call);
}

RawReply drop_region(RawClient& client, std::uint64_t id) {
  BuiltCall call(op_id("region_drop"));
  call.scalar(VAC_U32, id);
  return client.run(call);
}

RawRegion::RawRegion(RawClient& client, std::uint64_t bytes, bool proven) {
  const RawReply opened = open_region(client, bytes);
  if (opened.code() != VAC_OK) throw std::runtime_error("raw region: " + opened.text());
  id_ = opened.scalar(2);
  size_ = static_cast<std::size_t>(opened.scalar(4));
  descriptor_ = client.channel().take_descriptor();
  void* const mapped =
      ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_.get(), 0);
  if (mapped == MAP_FAILED) throw std::runtime_error("raw region: cannot map it");
  data_ = static_cast<std::byte*>(mapped);
  if (!proven) return;
  const RawReply ready = prove_region(client, id_, this->bytes().first(kProofBytes));
  if (ready.code() != VAC_OK) throw std::runtime_error("raw region: " + ready.text());
}

RawRegion::~RawRegion() { ::munmap(data_, size_); }

std::optional<wire::RegionPart> RawRegion::find(const void* data, std::uint64_t bytes) {
  const auto* const at = static_cast<const std::byte*>(data);
  if (at < data_ || at >= data_ + size_ || bytes > static_cast<std::size_t>(data_ + size_ - at)) {
    return std::nullopt;
  }
  return wire::RegionPart{static_cast<std::uint32_t>(id_), static_cast<std::uint64_t>(at - data_)};
}

RawClient sharing_client(const std::string& address) {
  RawClient client(address);
  wire::Hello hello;
  hello.region_kinds = wire::region_bit(wire::RegionKind::memfd);
  (void)client.greet(hello);
  client.channel().accept_descriptors(true);
  return client;
}

}  // namespace vac::test
