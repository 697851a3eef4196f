// SPDX-License-Identifier: Apache-2.0
// Plugin state of resources, kept once for (plugin, tenant, digest and options), for a remote
// plugin also the session.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.hpp"
#include "core/call_context.hpp"
#include "core/resource.hpp"

namespace vac::core {

class Plugin;

struct Attachment {
  Plugin* plugin = nullptr;
  std::shared_ptr<const ResourceData> data;  // the plugin's view points into it until the detach
  void* state = nullptr;
  // Guarded by the table's mutex:
  std::uint32_t users = 0;
  bool attaching = true;
  std::chrono::steady_clock::time_point idle_since;
};

/// Thread-safe. Outlives every Attachment it hands out.
class AttachmentTable final : public Waker {
 public:
  explicit AttachmentTable(std::chrono::milliseconds idle_unload) : idle_unload_(idle_unload) {}
  ~AttachmentTable();

  struct Key {
    const Plugin* plugin;
    const void* session;  ///< nullptr but for a remote plugin
    std::string tenant, identity, options;
    auto operator<=>(const Key&) const = default;
  };

  /// The attachment, made if there is none; concurrent first users wait for one attach, at most
  /// until the deadline (CLOCK_MONOTONIC ns, 0 none) or until their call is given up. Each success
  /// is paired with a release.
  Result<Attachment*> acquire(const Key& key, Plugin& plugin, void* session_state,
                              const std::shared_ptr<const ResourceData>& data,
                              std::int64_t deadline_ns, CallContext& context);
  /// The same of one that is there; nullptr where it would have to be made or waited for.
  Attachment* find(const Key& key);
  void release(Attachment& attachment);
  /// Detaches what nobody has used for idle_unload.
  void trim(std::chrono::steady_clock::time_point now);
  /// Detaches what a session that ends has left, whatever its age.
  void drop_session(const void* session);
  void wake() noexcept override;

 private:
  /// One that is there and attached already, with another user; nullptr where there is none.
  Result<Attachment*> await_attached(const Key& key, std::int64_t deadline_ns, CallContext& context)
      VAC_REQUIRES(mutex_);
  void detach(std::unique_ptr<Attachment> attachment);

  const std::chrono::milliseconds idle_unload_;
  Mutex mutex_;
  CondVar changed_;
  std::map<Key, std::unique_ptr<Attachment>> table_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::core
