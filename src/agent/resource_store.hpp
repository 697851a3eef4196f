// SPDX-License-Identifier: Apache-2.0
// Files that clients have uploaded, on disk, by tenant and digest.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/file_digests.hpp"
#include "agent/stored_file.hpp"
#include "base/fd.hpp"
#include "base/mutex.hpp"

namespace vac::agent {

/// `directory`/<tenant folder>/<digest>. Bytes are verified when they arrive, and once more before
/// the first use of a file that an earlier agent left; so nothing is forced to the disk, and what a
/// crash of the machine damages is uploaded again. When the limit or the end of the disk is
/// reached, the files that were not used for longest go; a file's time of access says when that
/// was, also to the next agent. Thread-safe.
class ResourceStore {
 public:
  /// Makes the folder, private to this user, and looks at what is in it; half uploads are removed.
  /// The folder is this store's alone: where another agent has it, a folder of its own inside it
  /// serves until the store is destroyed. At most `most_arriving` files are on their way at a time.
  static Result<std::unique_ptr<ResourceStore>> open(
      std::string directory, std::uint64_t limit, FileDigests& digests,
      std::size_t most_arriving = default_most_arriving());
  ResourceStore(const ResourceStore&) = delete;
  ResourceStore& operator=(const ResourceStore&) = delete;
  ~ResourceStore();

  /// A quarter of the descriptors that the process may have, 256 at most.
  static std::size_t default_most_arriving() noexcept;
  /// The folder's name for a tenant of that name.
  static std::string folder_of(std::string_view tenant);

  /// Nothing where the file is not there, is not what its name says, or cannot be read.
  std::optional<StoredFile> find(const std::string& folder, const std::string& digest,
                                 std::uint64_t size) VAC_EXCLUDES(mutex_);
  /// A file that is to be uploaded. VAC_ENOSPC where it could not have room even now, VAC_EBUSY
  /// when too many are on their way, or more of this folder than may still begin: a folder never
  /// takes the last places from the others. Room is taken, and other files go for it, as bytes are
  /// written.
  Result<Reception> receive(const std::string& folder, const std::string& digest,
                            std::uint64_t size) VAC_EXCLUDES(mutex_);

  const std::string& directory() const noexcept { return directory_; }
  /// Complete files and what is written of others.
  std::uint64_t bytes() const VAC_EXCLUDES(mutex_);
  /// Receptions under way.
  std::size_t arriving() const VAC_EXCLUDES(mutex_);

 private:
  friend class StoredFile;
  friend class IncomingFile;
  friend class Reception;
  struct Entry {
    std::uint64_t size = 0;
    std::uint32_t users = 0;
    std::uint64_t version = 0;             // differs after an upload has replaced the file
    std::list<std::string>::iterator age;  // place in by_age_
  };
  using Entries = std::map<std::string, Entry>;
  /// The pointer tells a file that is being destroyed from the one that has taken its place.
  struct Incoming {
    const IncomingFile* file = nullptr;
    std::weak_ptr<IncomingFile> shared;  // owned by its receptions
  };
  /// A folder that is locked, and what unlocks it.
  struct Claim {
    std::string directory;
    Fd lock;
    bool temporary = false;
  };

  ResourceStore(Claim claim, std::uint64_t limit, FileDigests& digests, std::size_t most_arriving)
      : directory_(std::move(claim.directory)),
        lock_(std::move(claim.lock)),
        temporary_(claim.temporary),
        limit_(limit),
        most_arriving_(most_arriving),
        digests_(digests) {}
  static Result<Claim> claim(std::string directory);
  Status scan() VAC_EXCLUDES(mutex_);
  Status make_room(std::uint64_t bytes) VAC_REQUIRES(mutex_);
  bool evict_oldest() VAC_REQUIRES(mutex_);
  Status check_room(std::uint64_t size) const VAC_REQUIRES(mutex_);
  Status check_share(const std::string& folder) const VAC_REQUIRES(mutex_);
  Result<Fd> make_file(const std::string& directory, std::string& path) VAC_REQUIRES(mutex_);
  Result<std::shared_ptr<IncomingFile>> find_or_make(const std::string& folder,
                                                     const std::string& digest, std::uint64_t size)
      VAC_REQUIRES(mutex_);
  Result<StoredFile> finish(const IncomingFile& file) VAC_EXCLUDES(mutex_);
  void discard(const IncomingFile& file, std::uint64_t written) noexcept VAC_EXCLUDES(mutex_);
  void forget(const IncomingFile& file) noexcept VAC_REQUIRES(mutex_);
  StoredFile share(const StoredFile& file) VAC_EXCLUDES(mutex_);
  Entries::iterator add(const std::string& key, std::uint64_t size) VAC_REQUIRES(mutex_);
  void remove(Entries::iterator entry) VAC_REQUIRES(mutex_);
  std::string path_of(const std::string& key) const;
  void lose(StoredFile& file, std::uint64_t version) VAC_EXCLUDES(mutex_);
  bool make_way() VAC_EXCLUDES(mutex_);
  Status charge(std::uint64_t bytes) VAC_EXCLUDES(mutex_);
  void uncharge(std::uint64_t bytes) noexcept VAC_EXCLUDES(mutex_);
  void release(const std::string& key) noexcept VAC_EXCLUDES(mutex_);
  void end_reception(const std::string& folder) noexcept VAC_EXCLUDES(mutex_);

  const std::string directory_;
  const Fd lock_;
  const bool temporary_;
  const std::uint64_t limit_;
  const std::size_t most_arriving_;
  FileDigests& digests_;
  mutable Mutex mutex_;
  Entries entries_ VAC_GUARDED_BY(mutex_);                // by "folder/digest"
  std::list<std::string> by_age_ VAC_GUARDED_BY(mutex_);  // keys, least recently used first
  std::map<std::pair<std::string, std::uint64_t>, Incoming> incoming_
      VAC_GUARDED_BY(mutex_);  // by key and size
  std::size_t arriving_ VAC_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::size_t> arriving_in_ VAC_GUARDED_BY(mutex_);  // by folder, none of 0
  std::uint64_t bytes_ VAC_GUARDED_BY(mutex_) = 0;
};

}  // namespace vac::agent
