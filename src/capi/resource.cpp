// SPDX-License-Identifier: Apache-2.0
#include <vac/resource.h>

#include <memory>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "capi/handles.hpp"
#include "capi/last_error.hpp"
#include "core/resource.hpp"

namespace vac::capi {
namespace {

using Data = std::shared_ptr<const core::ResourceData>;

template <class Make>
int open(vac_session* session, const void* what, const char* options_json, vac_resource** resource,
         Make&& make) noexcept {
  return guarded([&]() -> Status {
    if (session == nullptr || what == nullptr || resource == nullptr) {
      return Error{Errc::invalid,
                   "resource_open: session, source or the place for the resource is NULL"};
    }
    VAC_TRY(Data data, make(std::string_view(options_json == nullptr ? "" : options_json)));
    auto opened = std::make_unique<vac_resource>();
    opened->session = session;
    opened->core = session->core->add_resource(std::move(data));
    const MutexLock lock(session->mutex);
    session->resources.insert(opened.get());
    *resource = opened.release();
    return {};
  });
}

core::ResourceData::Progress progress_of(const vac_session& session) {
  const ProgressListener& listener = session.progress;
  if (listener.function == nullptr) return {};
  return [&listener](std::uint64_t done, std::uint64_t total) {
    listener.function(listener.user, VAC_PROGRESS_READ, done, total);
  };
}

}  // namespace
}  // namespace vac::capi

int vac_resource_open_file(vac_session* session, const char* path, const char* options_json,
                           vac_resource** resource) {
  return vac::capi::open(session, path, options_json, resource, [&](std::string_view options) {
    return vac::core::ResourceData::from_file(path, options, vac::capi::progress_of(*session));
  });
}

int vac_resource_open_directory(vac_session* session, const char* path, const char* options_json,
                                vac_resource** resource) {
  return vac::capi::open(session, path, options_json, resource, [&](std::string_view options) {
    return vac::core::ResourceData::from_directory(path, options, vac::capi::progress_of(*session));
  });
}

int vac_resource_open_bytes(vac_session* session, const void* data, std::size_t bytes,
                            const char* options_json, vac_resource** resource) {
  return vac::capi::open(session, data, options_json, resource, [&](std::string_view options) {
    return vac::core::ResourceData::from_bytes({static_cast<const std::byte*>(data), bytes},
                                               options);
  });
}

int vac_resource_open_uri(vac_session* session, const char* uri, const char* options_json,
                          vac_resource** resource) {
  return vac::capi::open(session, uri, options_json, resource,
                         [&](std::string_view options) -> vac::Result<vac::capi::Data> {
                           if (session->core->local()) {
                             return vac::Error{
                                 vac::Errc::not_supported,
                                 vac::concat("resource '", uri,
                                             "' is a model of an agent: open the session at "
                                             "an agent's address, or open a file")};
                           }
                           return vac::core::ResourceData::from_uri(uri, options);
                         });
}

void vac_resource_close(vac_resource* resource) {
  if (resource == nullptr) return;
  {
    const vac::MutexLock lock(resource->session->mutex);
    resource->session->resources.erase(resource);
  }
  delete resource;
}

const char* vac_resource_digest(const vac_resource* resource) {
  return resource->core->data().digest().c_str();
}
