// SPDX-License-Identifier: Apache-2.0
#include "agent/resource_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <system_error>
#include <vector>

#include "base/errno_error.hpp"
#include "base/log.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"

namespace vac::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIncoming = "incoming-";
constexpr std::size_t kFolderDigits = 16;

std::string digest_of(const std::string& key) { return key.substr(key.rfind('/') + 1); }

}  // namespace

StoredFile::~StoredFile() {
  if (store_ != nullptr) store_->release(key_);
}

PartialFile::~PartialFile() {
  if (store_ == nullptr) return;
  ::unlink(path_.c_str());
  store_->forget(*this);
}

Status PartialFile::write(std::uint64_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t count =
        ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      return errno_error(count < 0 ? errno : ENOSPC, "cannot store an uploaded file",
                         "make room where the agent keeps its cache");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

Result<std::unique_ptr<ResourceStore>> ResourceStore::open(std::string directory,
                                                           std::uint64_t limit,
                                                           FileDigests& digests) {
  std::error_code failure;
  const bool existed = fs::is_directory(directory, failure);
  fs::create_directories(directory, failure);
  if (failure) {
    return errno_error(failure.value(),
                       concat("cannot make the directory '", directory, "' for uploaded files"),
                       "choose another one with [cache] directory in the configuration");
  }
  if (!existed) ::chmod(directory.c_str(), S_IRWXU);
  if (::access(directory.c_str(), R_OK | W_OK | X_OK) != 0) {
    return errno_error(errno,
                       concat("cannot use the directory '", directory, "' for uploaded files"),
                       "choose another one with [cache] directory in the configuration");
  }
  std::unique_ptr<ResourceStore> store(new ResourceStore(std::move(directory), limit, digests));
  VAC_CHECK(store->scan());
  return store;
}

std::string ResourceStore::folder_of(std::string_view tenant) {
  return sha256_hex(std::as_bytes(std::span(tenant))).substr(0, kFolderDigits);
}

/// Enters what lies there by its age; verification waits until a file is asked for.
Status ResourceStore::scan() {
  struct Found {
    fs::file_time_type time;
    std::string key;
    std::uint64_t size;
  };
  std::vector<Found> found;
  std::error_code failure;
  for (fs::directory_iterator folder(directory_, failure), end; !failure && folder != end;
       folder.increment(failure)) {
    std::error_code inner;
    for (fs::directory_iterator file(folder->path(), inner); !inner && file != end;
         file.increment(inner)) {
      const std::string name = file->path().filename().string();
      std::error_code gone;
      if (name.starts_with(kIncoming)) {
        fs::remove(file->path(), gone);
      } else if (is_digest(name)) {
        found.push_back({file->last_write_time(gone),
                         concat(folder->path().filename().string(), "/", name),
                         file->file_size(gone)});
        if (gone) found.pop_back();
      }
    }
  }
  if (failure) {
    return errno_error(failure.value(), concat("cannot read the directory '", directory_, "'"));
  }
  std::ranges::sort(found, {}, &Found::time);
  const MutexLock lock(mutex_);
  for (const Found& file : found) add(file.key, file.size);
  if (Status room = make_room(0); !room) log_warning(room.error().text());
  return {};
}

std::string ResourceStore::path_of(const std::string& key) const {
  return concat(directory_, "/", key);
}

std::map<std::string, ResourceStore::Entry>::iterator ResourceStore::add(const std::string& key,
                                                                         std::uint64_t size) {
  by_age_.push_back(key);
  bytes_ += size;
  return entries_.emplace(key, Entry{size, 0, std::prev(by_age_.end())}).first;
}

void ResourceStore::remove(std::map<std::string, Entry>::iterator entry) {
  ::unlink(path_of(entry->first).c_str());
  bytes_ -= entry->second.size;
  by_age_.erase(entry->second.age);
  entries_.erase(entry);
}

Status ResourceStore::make_room(std::uint64_t bytes) {
  for (auto key = by_age_.begin();
       key != by_age_.end() && (bytes > limit_ || bytes_ > limit_ - bytes);) {
    const auto entry = entries_.find(*key);
    ++key;
    if (entry->second.users == 0) remove(entry);
  }
  if (bytes > limit_ || bytes_ > limit_ - bytes) {
    return Error{Errc::no_space,
                 concat("the agent's cache of ", format_bytes(limit_), " has no room for ",
                        format_bytes(bytes), ": close resources or raise [cache] size")};
  }
  return {};
}

std::optional<StoredFile> ResourceStore::find(const std::string& folder, const std::string& digest,
                                              std::uint64_t size) {
  const std::string key = concat(folder, "/", digest);
  {
    const MutexLock lock(mutex_);
    const auto entry = entries_.find(key);
    if (entry == entries_.end() || entry->second.size != size) return std::nullopt;
    ++entry->second.users;  // from here on it stays
    by_age_.splice(by_age_.end(), by_age_, entry->second.age);
  }
  StoredFile file(*this, key, path_of(key));
  const auto known = digests_.digest(file.path(), digest);
  if (known && known->digest == digest) return file;
  log_warning("the cached file '", digest, "' is damaged and will be uploaded again");
  const MutexLock lock(mutex_);
  // Others may be reading it: it keeps its entry until the new upload replaces it.
  if (const auto entry = entries_.find(key); entry != entries_.end()) ::unlink(file.path().c_str());
  return std::nullopt;
}

Result<PartialFile> ResourceStore::begin(const std::string& folder, const std::string& digest,
                                         std::uint64_t size) {
  {
    const MutexLock lock(mutex_);
    VAC_CHECK(make_room(size));
    bytes_ += size;
  }
  const std::string directory = concat(directory_, "/", folder);
  ::mkdir(directory.c_str(), S_IRWXU);  // it exists, or mkostemp says why not
  std::string path = concat(directory, "/", kIncoming, "XXXXXX");
  Fd fd(::mkostemp(path.data(), O_CLOEXEC));
  const int why = errno;
  if (!fd) {
    const MutexLock lock(mutex_);
    bytes_ -= size;
    return errno_error(why, "cannot store an uploaded file");
  }
  return PartialFile(*this, concat(folder, "/", digest), std::move(path), std::move(fd), size);
}

Result<StoredFile> ResourceStore::finish(PartialFile file) {
  const std::string wanted = digest_of(file.key_);
  VAC_TRY(const std::string digest, sha256_fd(file.fd_.get(), wanted));
  if (digest != wanted) {
    return Error{Errc::bad_message,
                 concat("the bytes of the uploaded file have the digest ", digest, ", not ", wanted,
                        ": it was changed or damaged on the way; try again")};
  }
  const std::string path = path_of(file.key_);
  const MutexLock lock(mutex_);
  if (::rename(file.path_.c_str(), path.c_str()) != 0) {
    return errno_error(errno, "cannot store an uploaded file");
  }
  file.store_ = nullptr;  // nothing to remove any more, and its room is counted here:
  bytes_ -= file.size_;
  auto entry = entries_.find(file.key_);
  if (entry == entries_.end()) {
    entry = add(file.key_, file.size_);
  } else {
    bytes_ += file.size_ - entry->second.size;
    entry->second.size = file.size_;
  }
  ++entry->second.users;
  return StoredFile(*this, file.key_, path);
}

std::uint64_t ResourceStore::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

void ResourceStore::release(const std::string& key) noexcept {
  const MutexLock lock(mutex_);
  if (const auto entry = entries_.find(key); entry != entries_.end()) --entry->second.users;
}

void ResourceStore::forget(const PartialFile& file) noexcept {
  const MutexLock lock(mutex_);
  bytes_ -= file.size_;
}

}  // namespace vac::agent
