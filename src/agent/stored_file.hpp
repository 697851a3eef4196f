// SPDX-License-Identifier: Apache-2.0
// The files of the ResourceStore: complete ones, and those on their way.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "agent/byte_ranges.hpp"
#include "base/fd.hpp"
#include "base/mutex.hpp"

namespace vac::agent {

class ResourceStore;

/// Of a number of errno.
bool is_disk_full(int number) noexcept;
/// Why bytes of a client did not get to the disk.
Error cannot_store(int number);

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

/// A file on its way, of all uploads that bring it at the same time: each sends all of it, and what
/// one has brought is not written again. Removed when it is destroyed without having become
/// complete. Thread-safe.
class IncomingFile {
 public:
  /// Only the store has one.
  class MadeByStore {
    friend class ResourceStore;
    explicit MadeByStore() = default;
  };
  IncomingFile(MadeByStore /*unused*/, ResourceStore& store, std::string key, std::string path,
               Fd fd, std::uint64_t size)
      : store_(store),
        key_(std::move(key)),
        path_(std::move(path)),
        fd_(std::move(fd)),
        size_(size) {}
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
      : store_(std::exchange(other.store_, nullptr)),
        folder_(std::move(other.folder_)),
        file_(std::move(other.file_)) {}
  Reception& operator=(Reception&&) = delete;
  ~Reception();

  /// Shared with the threads that write to it and the other uploads that bring it.
  const std::shared_ptr<IncomingFile>& file() const noexcept { return file_; }

 private:
  friend class ResourceStore;
  Reception(ResourceStore& store, std::string folder, std::shared_ptr<IncomingFile> file)
      : store_(&store), folder_(std::move(folder)), file_(std::move(file)) {}

  ResourceStore* store_;
  std::string folder_;
  std::shared_ptr<IncomingFile> file_;
};

}  // namespace vac::agent
