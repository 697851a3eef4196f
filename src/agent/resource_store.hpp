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

/// Which bytes of a file have arrived, in any order.
class ByteRanges {
 public:
  /// Of one file: a range is memory, and who leaves gaps everywhere would have as many as bytes.
  static constexpr std::size_t kMost = 4096;

  void add(std::uint64_t begin, std::uint64_t end);
  /// Whether add() would keep to kMost ranges.
  bool takes(std::uint64_t begin, std::uint64_t end) const noexcept;
  /// Whether all of [begin, end) is there.
  bool contains(std::uint64_t begin, std::uint64_t end) const noexcept;
  /// Whether all of [0, size) is there.
  bool covers(std::uint64_t size) const noexcept { return contains(0, size); }
  /// How many bytes are there.
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // begin -> end; apart from each other
  std::uint64_t bytes_ = 0;
};

/// A file on its way, of all uploads that bring it at the same time: each sends all of it, and what
/// one has brought is not written again. Removed when it is destroyed without having become
/// complete. Thread-safe.
class IncomingFile {
 public:
  ~IncomingFile();
  IncomingFile(const IncomingFile&) = delete;
  IncomingFile& operator=(const IncomingFile&) = delete;

  /// Any part, in any order; the caller keeps inside the size. The last one verifies the file, of
  /// an empty file an empty one.
  Status write(std::uint64_t offset, std::span<const std::byte> bytes) VAC_EXCLUDES(mutex_);
  /// For who has written all of it: waits for the verification. VAC_EBADMSG unless the bytes have
  /// the digest.
  Result<StoredFile> stored() VAC_EXCLUDES(mutex_);
  /// Whether it was verified in vain: its bytes are gone.
  bool failed() const VAC_EXCLUDES(mutex_);

 private:
  friend class ResourceStore;
  enum class State : std::uint8_t { receiving, full, stored, failed };

  IncomingFile(ResourceStore& store, std::string key, std::string path, Fd fd, std::uint64_t size)
      : store_(store),
        key_(std::move(key)),
        path_(std::move(path)),
        fd_(std::move(fd)),
        size_(size) {}
  Status put(std::uint64_t offset, std::span<const std::byte> bytes) const;
  void verify() VAC_EXCLUDES(mutex_);

  ResourceStore& store_;
  const std::string key_, path_;
  const Fd fd_;
  const std::uint64_t size_;
  mutable Mutex mutex_;
  CondVar verified_;
  State state_ VAC_GUARDED_BY(mutex_) = State::receiving;
  unsigned writers_ VAC_GUARDED_BY(mutex_) = 0;
  ByteRanges received_ VAC_GUARDED_BY(mutex_);
  std::optional<Result<StoredFile>> result_ VAC_GUARDED_BY(mutex_);  // when stored or failed
};

/// One upload's part in a file on its way, and its place among those that may be on their way.
class Reception {
 public:
  Reception(Reception&& other) noexcept
      : store_(std::exchange(other.store_, nullptr)), file_(std::move(other.file_)) {}
  Reception& operator=(Reception&&) = delete;
  ~Reception();

  /// Shared with the threads that write to it and the other uploads that bring it.
  const std::shared_ptr<IncomingFile>& file() const noexcept { return file_; }

 private:
  friend class ResourceStore;
  Reception(ResourceStore& store, std::shared_ptr<IncomingFile> file)
      : store_(&store), file_(std::move(file)) {}

  ResourceStore* store_;
  std::shared_ptr<IncomingFile> file_;
};

/// `directory`/<tenant folder>/<digest>. Bytes are verified when they arrive, and once more before
/// the first use of a file that an earlier agent left. When the limit is reached, the files that
/// were not used for longest go. Thread-safe.
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
  /// when too many are on their way. Room is taken, and other files go for it, as bytes are
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
  Status check_room(std::uint64_t size) const VAC_REQUIRES(mutex_);
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
  Status charge(std::uint64_t bytes) VAC_EXCLUDES(mutex_);
  void uncharge(std::uint64_t bytes) noexcept VAC_EXCLUDES(mutex_);
  void release(const std::string& key) noexcept VAC_EXCLUDES(mutex_);
  void end_reception() noexcept VAC_EXCLUDES(mutex_);

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
  std::uint64_t bytes_ VAC_GUARDED_BY(mutex_) = 0;
};

}  // namespace vac::agent
