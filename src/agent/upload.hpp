// SPDX-License-Identifier: Apache-2.0
// The files of one resource on their way to the agent.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/resource_store.hpp"
#include "base/mutex.hpp"
#include "core/resource.hpp"

namespace vac::agent {

/// Which bytes of a file have arrived, in any order.
class ByteRanges {
 public:
  void add(std::uint64_t begin, std::uint64_t end);
  /// Whether all of [0, size) is there.
  bool covers(std::uint64_t size) const noexcept;

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // begin -> end; apart from each other
};

/// What a manifest announces, gathered in the store. Parts may come from several threads.
/// Thread-safe.
class Upload {
 public:
  static constexpr std::size_t kMostBytes = 1 << 20;  // of one part
  static constexpr std::size_t kMostOpenFiles = 64;

  /// `manifest` as docs/protocol.md has it: the lines of the files, of a directory behind the line
  /// "directory". Files that the store holds are taken from there.
  static Result<std::unique_ptr<Upload>> begin(ResourceStore& store, std::string folder,
                                               std::string_view manifest, std::string options_json);

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
  /// A file under reception. Shared by the threads that write parts of it at the moment.
  struct Incoming {
    explicit Incoming(PartialFile opened) : file(std::move(opened)) {}
    PartialFile file;
    ByteRanges received;   // guarded by the upload's mutex
    unsigned writers = 0;  // guarded by the upload's mutex
  };
  struct Part {
    core::ResourceFile file;
    std::optional<StoredFile> stored;
    std::shared_ptr<Incoming> incoming;
  };

  Upload(ResourceStore& store, std::string folder, std::string options_json)
      : store_(store), folder_(std::move(folder)), options_json_(std::move(options_json)) {}
  Result<std::shared_ptr<Incoming>> start_write(std::uint32_t file, std::uint64_t offset,
                                                std::size_t bytes) VAC_EXCLUDES(mutex_);
  std::string name_of(const Part& part) const;

  ResourceStore& store_;
  const std::string folder_;
  const std::string options_json_;
  core::ResourceData::Kind kind_ = core::ResourceData::Kind::file;
  std::string digest_;
  mutable Mutex mutex_;
  std::vector<Part> parts_ VAC_GUARDED_BY(mutex_);
  std::size_t open_files_ VAC_GUARDED_BY(mutex_) = 0;
};

}  // namespace vac::agent
