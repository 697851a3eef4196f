// SPDX-License-Identifier: Apache-2.0
#include "agent/tenant.hpp"

#include "agent/resource_store.hpp"
#include "base/text.hpp"

namespace vac::agent {

Error no_room(const Tenant& tenant, std::string_view what, std::uint64_t bytes) {
  if (bytes <= tenant.memory_left()) {
    return Error{Errc::no_space, concat("the agent's machine has no room for ", what, " of ",
                                        format_bytes(bytes), " now: try again later")};
  }
  return Error{
      Errc::no_space,
      concat("the agent has no room for ", what, " of ", format_bytes(bytes), " now: the limit of ",
             tenant.title(), " is ", format_bytes(tenant.memory_limit()),
             ": try again later, or raise memory in [limits] of the agent's "
             "configuration")};
}

Tenant& TenantTable::get(const std::string& address, const std::string& credential) {
  const std::string key = concat(address, " ", credential);
  const MutexLock lock(mutex_);
  std::unique_ptr<Tenant>& place = tenants_[key];
  if (place == nullptr) {
    place = std::make_unique<Tenant>(key, credential, ResourceStore::folder_of(key), memory_limit_,
                                     regions_limit_);
  }
  return *place;
}

}  // namespace vac::agent
