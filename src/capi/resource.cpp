// SPDX-License-Identifier: Apache-2.0
#include <vac/resource.h>

#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "base/text.hpp"
#include "capi/handles.hpp"
#include "capi/last_error.hpp"
#include "capi/process.hpp"
#include "core/resource.hpp"
#include "core/visit.hpp"

namespace vac::capi {
namespace {

using Data = std::shared_ptr<const core::ResourceData>;

struct Wanted {
  vac_session* session;
  const char* source_name;
  const void* source;
  const char* options_json;
  vac_resource** place;
};

struct GiveBack {
  void operator()(vac_resource* resource) const noexcept {
    process().resources.give_back(*resource);
  }
};

Status check(const Wanted& wanted) {
  const char* const missing = wanted.session == nullptr  ? "session"
                              : wanted.source == nullptr ? wanted.source_name
                              : wanted.place == nullptr  ? "resource"
                                                         : nullptr;
  if (missing == nullptr) return {};
  return Error{Errc::invalid, concat("resource_open: argument '", missing, "' is NULL")};
}

template <class Make>
int open(const Wanted& wanted, Make&& make) noexcept {
  return guarded([&]() -> Status {
    VAC_CHECK(check(wanted));
    vac_session& session = *wanted.session;
    const core::Visit visit(session.core, session.process);
    if (visit.session() == nullptr) return refused_visit(&session).with_context("resource_open");
    const std::string_view options = wanted.options_json == nullptr ? "" : wanted.options_json;
    VAC_TRY(Data data, make(*visit.session(), options));
    std::unique_ptr<core::Resource> made = visit.session()->add_resource(std::move(data));
    std::unique_ptr<vac_resource, GiveBack> opened(process().resources.take());
    opened->session = &session;
    {
      const MutexLock lock(session.mutex);
      session.resources.insert(opened.get());
    }
    opened->core.store(made.release());
    *wanted.place = opened.release();
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
  return vac::capi::open({session, "path", path, options_json, resource},
                         [&](const vac::core::Session&, std::string_view options) {
                           return vac::core::ResourceData::from_file(
                               path, options, vac::capi::progress_of(*session));
                         });
}

int vac_resource_open_directory(vac_session* session, const char* path, const char* options_json,
                                vac_resource** resource) {
  return vac::capi::open({session, "path", path, options_json, resource},
                         [&](const vac::core::Session&, std::string_view options) {
                           return vac::core::ResourceData::from_directory(
                               path, options, vac::capi::progress_of(*session));
                         });
}

int vac_resource_open_bytes(vac_session* session, const void* data, std::size_t bytes,
                            const char* options_json, vac_resource** resource) {
  using vac::capi::Data;
  return vac::capi::open(
      {session, "data", data, options_json, resource},
      [&](const vac::core::Session&, std::string_view options) -> vac::Result<Data> {
        if (bytes > PTRDIFF_MAX) {
          return vac::Error{vac::Errc::too_large,
                            vac::concat("resource_open: no memory has ", bytes,
                                        " bytes: check argument 'bytes'")};
        }
        return vac::core::ResourceData::from_bytes({static_cast<const std::byte*>(data), bytes},
                                                   options);
      });
}

int vac_resource_open_uri(vac_session* session, const char* uri, const char* options_json,
                          vac_resource** resource) {
  using vac::capi::Data;
  return vac::capi::open(
      {session, "uri", uri, options_json, resource},
      [&](const vac::core::Session& core, std::string_view options) -> vac::Result<Data> {
        if (core.local()) {
          return vac::Error{vac::Errc::not_supported,
                            vac::concat("resource '", uri,
                                        "' is a model of an agent: open the session at "
                                        "an agent's address, or open a file")};
        }
        return vac::core::ResourceData::from_uri(uri, options);
      });
}

void vac_resource_close(vac_resource* resource) {
  vac::capi::Process* const process = vac::capi::find_process();
  if (resource == nullptr || process == nullptr) return;
  vac_session& session = *resource->session;
  if (session.process != process->number) return;
  {
    const vac::MutexLock lock(session.mutex);
    if (session.resources.erase(resource) == 0) return;  // closed already, maybe by its session
  }
  delete resource->core.exchange(nullptr);
  process->resources.give_back(*resource);
}

const char* vac_resource_digest(const vac_resource* resource) {
  const vac::core::Resource* const core = resource == nullptr ? nullptr : resource->core.load();
  return core == nullptr ? "" : core->data().digest().c_str();
}
