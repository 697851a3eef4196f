// SPDX-License-Identifier: Apache-2.0
#include "agent/tenant.hpp"

#include "agent/resource_store.hpp"
#include "base/text.hpp"

namespace vac::agent {

Tenant& TenantTable::get(const std::string& address, const std::string& credential) {
  const std::string key = concat(address, " ", credential);
  const MutexLock lock(mutex_);
  std::unique_ptr<Tenant>& place = tenants_[key];
  if (place == nullptr) {
    place = std::make_unique<Tenant>(key, credential, ResourceStore::folder_of(key), memory_limit_);
  }
  return *place;
}

}  // namespace vac::agent
