// SPDX-License-Identifier: Apache-2.0
// A resource of this session as the agent knows it.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/mutex.hpp"
#include "connection.hpp"
#include "patience.hpp"

namespace vac::remote {

/// Made at attach, at no cost; announced to the agent and uploaded as far as the agent lacks it by
/// the first call that uses it. Thread-safe.
class RemoteResource {
 public:
  /// The connection is shared by the session and its resources, since a host may detach after it
  /// has closed the session. `view` and `host` outlive this object.
  RemoteResource(std::shared_ptr<Connection> connection, const vac_resource_view& view,
                 const vac_host& host) noexcept;
  /// Tells the agent that the resource is not needed any more, without waiting for an answer.
  ~RemoteResource();
  RemoteResource(const RemoteResource&) = delete;
  RemoteResource& operator=(const RemoteResource&) = delete;

  /// The agent's id. The first user uploads, those who come meanwhile wait for that one upload; if
  /// it fails, they fail with it, and the next use tries again. `call` is the call that needs it:
  /// its deadline holds for the upload too, and its host hears of the progress.
  Result<std::uint64_t> id_for(vac_call& call);
  /// The same where it is there already, else 0.
  std::uint64_t known_id() const noexcept { return id_.load(std::memory_order_acquire); }

 private:
  Result<std::uint64_t> wait_for_id(const vac_call& call, bool& uploads) VAC_EXCLUDES(mutex_);
  Error left_waiting(Patience::Stop why) const;

  const std::shared_ptr<Connection> connection_;
  const vac_resource_view& view_;
  const vac_host& host_;
  std::atomic<std::uint64_t> id_{0};  // 0: not there yet

  Mutex mutex_;
  bool uploading_ VAC_GUARDED_BY(mutex_) = false;
  std::optional<Error> failure_ VAC_GUARDED_BY(mutex_);  // of the last attempt
};

}  // namespace vac::remote
