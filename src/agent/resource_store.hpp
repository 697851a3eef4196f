// SPDX-License-Identifier: Apache-2.0
// Files that clients have uploaded, on disk, by tenant and digest.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "agent/file_digests.hpp"
#include "base/fd.hpp"
#include "base/mutex.hpp"

namespace vac::agent {

class ResourceStore;

/// A file that is complete and verified. While this lives the file is not evicted.
class StoredFile {
 public:
  StoredFile(StoredFile&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)),
        key_(std::move(other.key_)),
        path_(std::move(other.path_)) {}
  StoredFile& operator=(StoredFile&&) = delete;
  ~StoredFile();

  const std::string& path() const noexcept { return path_; }

 private:
  friend class ResourceStore;
  StoredFile(ResourceStore& store, std::string key, std::string path)
      : store_(&store), key_(std::move(key)), path_(std::move(path)) {}

  ResourceStore* store_;
  std::string key_;
  std::string path_;
};

/// A file on its way. Removed when it is destroyed without having been finished.
class PartialFile {
 public:
  PartialFile(PartialFile&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)),
        key_(std::move(other.key_)),
        path_(std::move(other.path_)),
        fd_(std::move(other.fd_)),
        size_(other.size_) {}
  PartialFile& operator=(PartialFile&&) = delete;
  ~PartialFile();

  /// Any part, in any order; the caller keeps inside size(). Thread-safe.
  Status write(std::uint64_t offset, std::span<const std::byte> bytes) const;
  std::uint64_t size() const noexcept { return size_; }

 private:
  friend class ResourceStore;
  PartialFile(ResourceStore& store, std::string key, std::string path, Fd fd, std::uint64_t size)
      : store_(&store),
        key_(std::move(key)),
        path_(std::move(path)),
        fd_(std::move(fd)),
        size_(size) {}

  ResourceStore* store_;
  std::string key_;
  std::string path_;
  Fd fd_;
  std::uint64_t size_;
};

/// `directory`/<tenant folder>/<digest>. Bytes are verified when they arrive, and once more before
/// the first use of a file that an earlier agent left. When the limit is reached, the files that
/// were not used for longest go. Thread-safe.
class ResourceStore {
 public:
  /// Makes the folder, private to this user, and looks at what is in it; half uploads are removed.
  static Result<std::unique_ptr<ResourceStore>> open(std::string directory, std::uint64_t limit,
                                                     FileDigests& digests);
  ResourceStore(const ResourceStore&) = delete;
  ResourceStore& operator=(const ResourceStore&) = delete;

  /// The folder's name for a tenant of that name.
  static std::string folder_of(std::string_view tenant);

  /// Nothing where the file is not there, or is not what its name says.
  std::optional<StoredFile> find(const std::string& folder, const std::string& digest,
                                 std::uint64_t size) VAC_EXCLUDES(mutex_);
  /// Room for a file that is to be uploaded. VAC_ENOSPC when nothing more can be evicted.
  Result<PartialFile> begin(const std::string& folder, const std::string& digest,
                            std::uint64_t size) VAC_EXCLUDES(mutex_);
  /// All bytes are written: VAC_EBADMSG, and the file is gone, unless they have the digest.
  Result<StoredFile> finish(PartialFile file) VAC_EXCLUDES(mutex_);

  const std::string& directory() const noexcept { return directory_; }
  /// Complete files and room promised to uploads.
  std::uint64_t bytes() const VAC_EXCLUDES(mutex_);

 private:
  friend class StoredFile;
  friend class PartialFile;
  struct Entry {
    std::uint64_t size = 0;
    std::uint32_t users = 0;
    std::list<std::string>::iterator age;  // place in by_age_
  };

  ResourceStore(std::string directory, std::uint64_t limit, FileDigests& digests)
      : directory_(std::move(directory)), limit_(limit), digests_(digests) {}
  Status scan() VAC_EXCLUDES(mutex_);
  Status make_room(std::uint64_t bytes) VAC_REQUIRES(mutex_);
  std::map<std::string, Entry>::iterator add(const std::string& key, std::uint64_t size)
      VAC_REQUIRES(mutex_);
  void remove(std::map<std::string, Entry>::iterator entry) VAC_REQUIRES(mutex_);
  std::string path_of(const std::string& key) const;
  void release(const std::string& key) noexcept VAC_EXCLUDES(mutex_);
  void forget(const PartialFile& file) noexcept VAC_EXCLUDES(mutex_);

  const std::string directory_;
  const std::uint64_t limit_;
  FileDigests& digests_;
  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ VAC_GUARDED_BY(mutex_);  // by "folder/digest"
  std::list<std::string> by_age_ VAC_GUARDED_BY(mutex_);         // keys, least recently used first
  std::uint64_t bytes_ VAC_GUARDED_BY(mutex_) = 0;
};

}  // namespace vac::agent
