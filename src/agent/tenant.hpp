// SPDX-License-Identifier: Apache-2.0
// On whose behalf a connection acts.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "agent/memory_account.hpp"
#include "base/mutex.hpp"

namespace vac::agent {

/// One tenant: a listener and a credential. Its ids, uploads and loaded models are no other's.
/// Thread-safe.
class Tenant {
 public:
  Tenant(std::string key, std::string title, std::string folder, std::uint64_t memory_limit,
         std::uint64_t regions_limit)
      : key_(std::move(key)),
        title_(std::move(title)),
        folder_(std::move(folder)),
        memory_(memory_limit),
        regions_(regions_limit) {}

  /// Unique in this agent; plugins keep loaded models by it.
  const std::string& key() const noexcept { return key_; }
  /// What people call it: "uid 1000".
  const std::string& title() const noexcept { return title_; }
  /// Where the store keeps its uploads.
  const std::string& folder() const noexcept { return folder_; }
  /// Requests and results in transit.
  MemoryAccount& memory() noexcept { return memory_; }
  /// Shared with its clients.
  MemoryAccount& regions() noexcept { return regions_; }
  std::uint64_t memory_limit() const noexcept { return memory_.limit(); }
  std::uint64_t memory_left() const noexcept { return memory_.limit() - memory_.used(); }

 private:
  const std::string key_, title_, folder_;
  MemoryAccount memory_, regions_;
};

/// VAC_ENOSPC: the tenant or the machine has no room for `what`, such as "a request", of so many
/// bytes.
Error no_room(const Tenant& tenant, std::string_view what, std::uint64_t bytes);

/// All tenants seen since the start. They are few and are kept. Thread-safe.
class TenantTable {
 public:
  /// Limits of each, in bytes: of requests and results in transit, and of shared regions.
  TenantTable(std::uint64_t memory_limit, std::uint64_t regions_limit)
      : memory_limit_(memory_limit), regions_limit_(regions_limit) {}

  /// The tenant of a listener's address and a credential such as "uid 1000", made at the first use.
  /// Lives as long as the table.
  Tenant& get(const std::string& address, const std::string& credential) VAC_EXCLUDES(mutex_);

 private:
  const std::uint64_t memory_limit_, regions_limit_;
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<Tenant>> tenants_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::agent
