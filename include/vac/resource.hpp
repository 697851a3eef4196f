// SPDX-License-Identifier: Apache-2.0
// Resource: a model, library or data set, opened in a session.
#pragma once

#include <vac/resource.h>

#include <memory>

namespace vac {

/// Owns a resource of the C interface. Closed by its destructor, which comes before the session's
/// end. Thread-safe.
class Resource {
 public:
  Resource() = default;
  /// Takes over a resource of the C interface.
  static Resource adopt(vac_resource* handle) {
    Resource resource;
    resource.handle_.reset(handle);
    return resource;
  }

  vac_resource* handle() const noexcept { return handle_.get(); }
  /// SHA-256 in hex; empty for a URI.
  const char* digest() const noexcept { return vac_resource_digest(handle()); }

 private:
  struct Close {
    void operator()(vac_resource* resource) const noexcept { vac_resource_close(resource); }
  };
  std::unique_ptr<vac_resource, Close> handle_;
};

}  // namespace vac
