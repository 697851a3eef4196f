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
class AttachmentTable {
 public:
  explicit AttachmentTable(std::chrono::milliseconds idle_unload) : idle_unload_(idle_unload) {}
  ~AttachmentTable();

  struct Key {
    const Plugin* plugin;
    const void* session;  ///< nullptr but for a remote plugin
    std::string tenant, identity, options;
    auto operator<=>(const Key&) const = default;
  };

  /// The attachment, made if there is none; concurrent first users wait for one attach. Each
  /// success is paired with a release.
  Result<Attachment*> acquire(const Key& key, Plugin& plugin, void* session_state,
                              const std::shared_ptr<const ResourceData>& data);
  /// The same of one that is there; nullptr where it would have to be made or waited for.
  Attachment* find(const Key& key);
  void release(Attachment& attachment);
  /// Detaches what nobody has used for idle_unload.
  void trim(std::chrono::steady_clock::time_point now);
  /// Detaches what a session that ends has left, whatever its age.
  void drop_session(const void* session);

 private:
  void detach(std::unique_ptr<Attachment> attachment);

  const std::chrono::milliseconds idle_unload_;
  Mutex mutex_;
  CondVar changed_;
  std::map<Key, std::unique_ptr<Attachment>> table_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::core
