// SPDX-License-Identifier: Apache-2.0
// The files of one resource on their way to the agent.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/resource_store.hpp"
#include "agent/tenant.hpp"
#include "base/mutex.hpp"
#include "core/resource.hpp"

namespace vac::agent {

/// What a manifest announces, gathered in the store. Parts may come from several threads.
/// Thread-safe.
class Upload {
 public:
  static constexpr std::size_t kMostBytes = 1 << 20;  // of one part
  static constexpr std::size_t kMostOpenFiles = 64;

  /// `manifest` as docs/protocol.md has it: the lines of the files, of a directory behind the line
  /// "directory". Files that the store holds are taken from there. What it remembers is on the
  /// account of the tenant, who outlives it.
  static Result<std::unique_ptr<Upload>> begin(ResourceStore& store, Tenant& tenant,
                                               std::string_view manifest,
                                               std::string_view options_json);
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  ~Upload() { tenant_.memory().release(charge_); }

  /// Indices of the files whose bytes are missing, ascending.
  std::vector<std::uint32_t> missing() const VAC_EXCLUDES(mutex_);
  /// One part of a missing file; the last one verifies it: VAC_EBADMSG, and the file is missing
  /// again.
  Status write(std::uint32_t file, std::uint64_t offset, std::span<const std::byte> bytes)
      VAC_EXCLUDES(mutex_);
  bool complete() const VAC_EXCLUDES(mutex_);

  /// What has been uploaded. Only when it is complete; valid as long as this object.
  Result<std::shared_ptr<const core::ResourceData>> resource() const VAC_EXCLUDES(mutex_);

 private:
  struct Part {
    core::ResourceFile file;
    std::optional<StoredFile> stored;
    // While it arrives; with all of it in `sent` while it is verified.
    std::optional<Reception> reception;
    ByteRanges sent;  // by this upload
  };

  Upload(ResourceStore& store, Tenant& tenant) : store_(store), tenant_(tenant) {}
  Status read(std::string_view manifest, std::string_view options_json) VAC_EXCLUDES(mutex_);
  Result<std::shared_ptr<IncomingFile>> start_write(std::uint32_t file, std::uint64_t offset,
                                                    std::size_t bytes) VAC_EXCLUDES(mutex_);
  static bool receives(const Part& part, const IncomingFile& incoming);
  static Error failure_of(std::uint32_t file, const Part& part, Error error);
  void end_reception(Part& part) VAC_REQUIRES(mutex_);

  ResourceStore& store_;
  Tenant& tenant_;
  std::uint64_t charge_ = 0;
  std::string options_json_;
  core::ResourceData::Kind kind_ = core::ResourceData::Kind::file;
  std::string digest_;
  mutable Mutex mutex_;
  std::vector<Part> parts_ VAC_GUARDED_BY(mutex_);
  std::size_t open_files_ VAC_GUARDED_BY(mutex_) = 0;
};

}  // namespace vac::agent
