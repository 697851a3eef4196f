// SPDX-License-Identifier: Apache-2.0
#include "agent/region.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "agent/tenant.hpp"
#include "base/errno_error.hpp"
#include "base/text.hpp"

namespace vac::agent {
namespace {

/// No machine has as much as this: sums of it do not wrap.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 48U;

Error out_of_memory(std::uint64_t bytes, int number) {
  return errno_error(number,
                     concat("the agent cannot share ", format_bytes(bytes), " of memory now"));
}

}  // namespace

Result<std::shared_ptr<Region>> Region::create(Tenant& tenant, std::uint64_t bytes) {
  if (bytes == 0 || bytes > kMostBytes) {
    return Error{Errc::invalid, concat("a region cannot have ", bytes, " bytes")};
  }
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  bytes = (bytes + page - 1) / page * page;
  // Made first: from the charge on its destructor sees to everything.
  std::shared_ptr<Region> region(new Region(tenant.regions()));
  const std::uint64_t charge = std::max(bytes, kLeastCharge);
  if (bytes > SIZE_MAX || !tenant.regions().charge(charge)) {
    return Error{Errc::no_space,
                 concat("the agent shares no further ", format_bytes(bytes), " of memory with ",
                        tenant.title(), ", whose limit is ", format_bytes(tenant.regions().limit()),
                        ": raise regions in [limits] of the agent's configuration")};
  }
  region->charge_ = charge;
  region->size_ = static_cast<std::size_t>(bytes);
  VAC_CHECK(region->make(bytes));
  return region;
}

Region::~Region() {
  if (data_ != nullptr) {
    if (forgotten_.load(std::memory_order_relaxed)) ::madvise(data_, size_, MADV_REMOVE);
    ::munmap(data_, size_);
  }
  if (charge_ != 0) account_.release(charge_);
}

Status Region::make(std::uint64_t bytes) {
  descriptor_.reset(::memfd_create("vaccel-region", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!descriptor_) return out_of_memory(bytes, errno);
  // All pages now: a machine that lacks them says so here, and not by a signal at the first touch.
  const int failed = ::posix_fallocate(descriptor_.get(), 0, static_cast<off_t>(bytes));
  if (failed != 0) return out_of_memory(bytes, failed == ENOSPC ? ENOMEM : failed);
  if (::fcntl(descriptor_.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
    return out_of_memory(bytes, errno);
  }
  void* const mapped = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                              descriptor_.get(), 0);
  if (mapped == MAP_FAILED) return out_of_memory(bytes, errno);
  data_ = static_cast<std::byte*>(mapped);
  if (::getrandom(proof_.data(), proof_.size(), 0) != static_cast<ssize_t>(proof_.size())) {
    return errno_error(errno, "the agent has no random numbers");
  }
  std::ranges::copy(proof_, data_);
  return {};
}

bool Region::proves(std::span<const std::byte> proof) const noexcept {
  return std::ranges::equal(proof, proof_);
}

Result<std::uint32_t> RegionTable::add(std::shared_ptr<Region> region) {
  const MutexLock lock(mutex_);
  const auto free = std::ranges::find(regions_, nullptr);
  if (free == regions_.end()) {
    return Error{Errc::too_many_files, concat("the connection has ", wire::kMostRegions,
                                              " regions, the most there can be: drop some")};
  }
  *free = std::move(region);
  return static_cast<std::uint32_t>(free - regions_.begin()) + 1;
}

std::shared_ptr<Region> RegionTable::find(std::uint32_t id) const {
  const MutexLock lock(mutex_);
  return id == 0 || id > regions_.size() ? nullptr : regions_[id - 1];
}

std::shared_ptr<Region> RegionTable::remove(std::uint32_t id) {
  const MutexLock lock(mutex_);
  return id == 0 || id > regions_.size() ? nullptr : std::exchange(regions_[id - 1], nullptr);
}

void SharedCopies::copy(std::byte* to, std::span<const std::byte> from,
                        std::atomic<std::uint64_t>& count) noexcept {
  if (from.empty()) return;
  std::memcpy(to, from.data(), from.size());
  count.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace vac::agent
