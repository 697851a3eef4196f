// SPDX-License-Identifier: Apache-2.0
// The resources of one connection, by the ids that its client uses.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <memory>
#include <utility>

#include "agent/upload.hpp"
#include "base/id_map.hpp"
#include "base/mutex.hpp"
#include "core/session.hpp"

namespace vac::agent {

/// A resource that a client has opened: usable at once, or when its upload is complete.
/// Thread-safe.
class HeldResource {
 public:
  /// The session outlives this object.
  HeldResource(core::Session& session, std::shared_ptr<const core::ResourceData> data)
      : session_(session), ready_(session.add_resource(std::move(data))) {}
  HeldResource(core::Session& session, std::unique_ptr<Upload> upload)
      : session_(session), upload_(std::move(upload)) {}

  /// For a call. Errors say what is missing.
  Result<core::Resource*> get() VAC_EXCLUDES(mutex_);
  /// One of its files, by its place in the manifest; lives as long as this object.
  Result<const core::ResourceFile*> file(std::uint32_t index) VAC_EXCLUDES(mutex_);
  /// Null where nothing was to be uploaded.
  Upload* upload() noexcept { return upload_.get(); }

 private:
  core::Session& session_;
  const std::unique_ptr<Upload> upload_;  // keeps the files in the store
  Mutex mutex_;
  std::unique_ptr<core::Resource> ready_ VAC_GUARDED_BY(mutex_);
};

/// Thread-safe.
class HeldResources {
 public:
  static constexpr std::size_t kMost = 4096;

  Result<std::uint64_t> add(std::shared_ptr<HeldResource> resource) VAC_EXCLUDES(mutex_);
  /// VAC_EBADF where there is none.
  Result<std::shared_ptr<HeldResource>> get(std::uint64_t id) VAC_EXCLUDES(mutex_);
  /// Takes it out. Calls that use it keep it until they are done.
  Result<std::shared_ptr<HeldResource>> drop(std::uint64_t id) VAC_EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  // Each shared with the calls that use it.
  IdMap<std::shared_ptr<HeldResource>> resources_ VAC_GUARDED_BY(mutex_);
};

}  // namespace vac::agent
