// SPDX-License-Identifier: Apache-2.0
#include "remote_resource.hpp"

#include <new>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "upload.hpp"

namespace vac::remote {
namespace {

/// Whether an upload has ended for reasons of the call that did it, so that another call may well
/// succeed.
bool is_the_callers(const Error& error) {
  return error.code() == Errc::timed_out || error.code() == Errc::interrupted ||
         error.code() == Errc::cancelled;
}

}  // namespace

RemoteResource::RemoteResource(std::shared_ptr<Connection> connection,
                               const vac_resource_view& view, const vac_host& host) noexcept
    : connection_(std::move(connection)), view_(view), host_(host) {}

RemoteResource::~RemoteResource() {
  const std::uint64_t id = id_.load(std::memory_order_acquire);
  if (id != 0) connection_->drop_resource(id);
}

Result<std::uint64_t> RemoteResource::id_for(vac_call& call) {
  if (const std::uint64_t id = id_.load(std::memory_order_acquire); id != 0) return id;
  bool uploads = false;
  VAC_TRY(std::uint64_t id, wait_for_id(call, uploads));
  if (!uploads) return id;

  std::optional<Error> failure;
  std::optional<Error> for_others;
  try {
    auto opened = open_at_agent(*connection_, view_, call, host_);
    if (opened) {
      id = *opened;
    } else {
      failure = std::move(opened).error();
      for_others = failure;
    }
  } catch (const std::bad_alloc&) {
    failure = Error{Errc::no_memory};
    for_others = Error{Errc::no_memory};
  }
  {
    const MutexLock lock(mutex_);
    uploading_ = false;
    failure_ = std::move(for_others);
    id_.store(id, std::memory_order_release);
  }
  FutexWord& changed = connection_->resources_changed();
  changed.fetch_add(1);
  changed.wake_all();
  if (failure) return *std::move(failure);
  return id;
}

/// The id, or what another's upload has failed with, or 0 and `uploads`: the caller is to do it.
Result<std::uint64_t> RemoteResource::wait_for_id(const vac_call& call, bool& uploads) {
  const FutexWord& changed = connection_->resources_changed();
  Patience patience(call);
  for (bool waited = false;; waited = true) {
    const std::uint32_t seen = changed.load();
    if (!patience.over() && host_.cancelled(&call) != 0) patience.cancel();
    {
      const MutexLock lock(mutex_);
      if (const std::uint64_t id = id_.load(std::memory_order_acquire); id != 0) return id;
      if (!uploading_ && !patience.stopped()) {
        if (waited && failure_ && !is_the_callers(*failure_)) return *failure_;
        uploading_ = uploads = true;
        return std::uint64_t{0};
      }
    }
    if (patience.stopped()) return left_waiting(patience.stop());
    patience.note(changed.wait(seen, patience.futex_limit()));
  }
}

Error RemoteResource::left_waiting(Patience::Stop why) const {
  const std::string what = concat("resource '", title_of(view_), "': ");
  switch (why) {
    case Patience::Stop::interrupted:
      return Error{Errc::interrupted, concat(what, "interrupted by a signal")};
    case Patience::Stop::cancelled:
      return Error{Errc::cancelled, concat(what, "cancelled")};
    default:
      return Error{Errc::timed_out, concat(what,
                                           "its upload by another call was not done in time: give "
                                           "the call more time")};
  }
}

}  // namespace vac::remote
