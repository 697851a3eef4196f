// SPDX-License-Identifier: Apache-2.0
#include "agent/resource_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "base/errno_error.hpp"
#include "base/log.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"

namespace vac::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIncoming = "incoming-", kIncomingSuffix = "XXXXXX";
constexpr std::size_t kFolderDigits = 16;
constexpr unsigned kMostOtherAgents = 64;
constexpr std::size_t kLeastArriving = 8, kMostArriving = 256;

std::string digest_of(const std::string& key) { return key.substr(key.rfind('/') + 1); }

Error no_room(std::uint64_t limit, std::uint64_t bytes) {
  return Error{Errc::no_space,
               concat("the agent's cache of ", format_bytes(limit), " has no room for ",
                      format_bytes(bytes), " more: close resources or raise [cache] size")};
}

/// An empty one where somebody else holds the lock. Of a file, as NFS locks no directories.
Result<Fd> try_lock(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  if (file && ::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  if (file && errno == EWOULDBLOCK) return Fd();
  return errno_error(errno, concat("cannot lock '", path, "'"),
                     "choose another place for uploaded files with [cache] directory in the "
                     "configuration");
}

/// Where an agent keeps its files that is not the first one in a directory, and what it locks.
std::string other_folder(const std::string& directory, unsigned number) {
  return concat(directory, "/agent-", number);
}
std::string other_lock(const std::string& directory, unsigned number) {
  return concat(directory, "/lock-", number);
}

/// A complete file that lies in the cache when the agent starts.
struct Found {
  std::pair<std::int64_t, std::int64_t> used;  // its time of access: seconds, nanoseconds
  std::string key;
  std::uint64_t size = 0;
  auto operator<=>(const Found&) const = default;
};

bool is_incoming(const std::string& name) {
  return name.starts_with(kIncoming) && name.size() == kIncoming.size() + kIncomingSuffix.size();
}

void scan_file(const std::string& folder, const fs::path& path, std::vector<Found>& found) {
  const std::string name = path.filename().string();
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
  if (is_incoming(name)) {
    ::unlink(path.c_str());
  } else if (is_digest(name)) {
    found.push_back({{status.st_atim.tv_sec, status.st_atim.tv_nsec},
                     concat(folder, "/", name),
                     static_cast<std::uint64_t>(status.st_size)});
  }
}

/// Of agents that were killed.
void remove_stale_folders(const std::string& directory) {
  for (unsigned number = 1; number <= kMostOtherAgents; ++number) {
    const std::string folder = other_folder(directory, number);
    std::error_code failure;
    if (!fs::exists(folder, failure)) continue;
    if (auto lock = try_lock(other_lock(directory, number)); lock && *lock) {
      fs::remove_all(folder, failure);
    }
  }
}

}  // namespace

Result<std::unique_ptr<ResourceStore>> ResourceStore::open(std::string directory,
                                                           std::uint64_t limit,
                                                           FileDigests& digests,
                                                           std::size_t most_arriving) {
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
  remove_stale_folders(directory);
  VAC_TRY(Claim claimed, claim(std::move(directory)));
  std::unique_ptr<ResourceStore> store(
      new ResourceStore(std::move(claimed), limit, digests, most_arriving));
  VAC_CHECK(store->scan());
  return store;
}

ResourceStore::~ResourceStore() {
  std::error_code ignored;
  if (temporary_) fs::remove_all(directory_, ignored);
}

Result<ResourceStore::Claim> ResourceStore::claim(std::string directory) {
  VAC_TRY(Fd lock, try_lock(concat(directory, "/lock")));
  if (lock) return Claim{std::move(directory), std::move(lock), false};
  for (unsigned number = 1; number <= kMostOtherAgents; ++number) {
    VAC_TRY(Fd other, try_lock(other_lock(directory, number)));
    if (!other) continue;
    std::string folder = other_folder(directory, number);
    if (::mkdir(folder.c_str(), S_IRWXU) != 0) {
      return errno_error(errno,
                         concat("cannot make the directory '", folder, "' for uploaded files"));
    }
    log_info("another agent uses '", directory, "': this one keeps uploaded files in '", folder,
             "' until it ends; choose another place with [cache] directory in the configuration "
             "to keep them");
    return Claim{std::move(folder), std::move(other), true};
  }
  return Error{Errc::busy, concat("the directory '", directory, "' for uploaded files is used by ",
                                  kMostOtherAgents + 1,
                                  " agents, the most there can be: choose another one with [cache] "
                                  "directory in the configuration")};
}

std::size_t ResourceStore::default_most_arriving() noexcept {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return kLeastArriving;
  return static_cast<std::size_t>(
      std::clamp<rlim_t>(files.rlim_cur / 4, kLeastArriving, kMostArriving));
}

std::string ResourceStore::folder_of(std::string_view tenant) {
  return sha256_hex(std::as_bytes(std::span(tenant))).substr(0, kFolderDigits);
}

/// Enters what lies there by its age; verification waits until a file is asked for. What has
/// another name than this class gives is not its own, and stays.
Status ResourceStore::scan() {
  std::vector<Found> found;
  std::error_code failure;
  for (fs::directory_iterator folder(directory_, failure), end; !failure && folder != end;
       folder.increment(failure)) {
    std::error_code inner;
    for (fs::directory_iterator file(folder->path(), inner); !inner && file != end;
         file.increment(inner)) {
      scan_file(folder->path().filename().string(), file->path(), found);
    }
  }
  if (failure) {
    return errno_error(failure.value(), concat("cannot read the directory '", directory_, "'"));
  }
  std::ranges::sort(found);
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
  // The memory first: without it nothing has changed.
  std::list<std::string> age{key};
  std::map<std::string, Entry> made;
  made.emplace(key, Entry{size, 0, 0, age.begin()});
  by_age_.splice(by_age_.end(), age);
  bytes_ += size;
  return entries_.insert(made.extract(made.begin())).position;
}

void ResourceStore::remove(std::map<std::string, Entry>::iterator entry) {
  ::unlink(path_of(entry->first).c_str());
  bytes_ -= entry->second.size;
  by_age_.erase(entry->second.age);
  entries_.erase(entry);
}

/// Removes the file that was not used for longest. False: all that are there are in use.
bool ResourceStore::evict_oldest() {
  auto oldest = by_age_.begin();
  while (oldest != by_age_.end() && entries_.find(*oldest)->second.users != 0) ++oldest;
  if (oldest == by_age_.end()) return false;
  remove(entries_.find(*oldest));
  return true;
}

Status ResourceStore::make_room(std::uint64_t bytes) {
  while (bytes > limit_ || bytes_ > limit_ - bytes) {
    if (!evict_oldest()) return no_room(limit_, bytes);
  }
  return {};
}

/// On a full disk, whatever the limit says.
bool ResourceStore::make_way() {
  const MutexLock lock(mutex_);
  return evict_oldest();
}

std::optional<StoredFile> ResourceStore::find(const std::string& folder, const std::string& digest,
                                              std::uint64_t size) {
  const std::string key = concat(folder, "/", digest);
  std::string own_key = key;
  std::string path = path_of(key);
  std::uint64_t version = 0;
  {
    const MutexLock lock(mutex_);
    const auto entry = entries_.find(key);
    if (entry == entries_.end() || entry->second.size != size) return std::nullopt;
    ++entry->second.users;  // from here on it stays
    version = entry->second.version;
    by_age_.splice(by_age_.end(), by_age_, entry->second.age);
  }
  StoredFile file(*this, std::move(own_key), std::move(path));
  const auto opened = open_regular(file.path(), digest);
  if (!opened && opened.error().code() == Errc::not_found) {
    log_warning("the cached file '", digest, "' is gone and will be uploaded again");
    lose(file, version);
    return std::nullopt;
  }
  const auto known = opened ? digests_.digest(opened->get(), digest) : opened.error();
  if (!known) {  // says nothing about the bytes: too many files are open, the disk fails
    log_warning("the cached file will be uploaded again: ", known.error().text());
    return std::nullopt;
  }
  if (known->digest == digest) {
    digests_.note_use(opened->get());
    return file;
  }
  log_warning("the cached file '", digest, "' is damaged and will be uploaded again");
  const MutexLock lock(mutex_);
  // Others may be reading it: it keeps its entry until the new upload replaces it.
  if (const auto entry = entries_.find(key);
      entry != entries_.end() && entry->second.version == version) {
    ::unlink(file.path().c_str());
  }
  return std::nullopt;
}

/// Somebody has removed the file. Its entry goes, unless others use it or an upload has brought it
/// back.
void ResourceStore::lose(StoredFile& file, std::uint64_t version) {
  const MutexLock lock(mutex_);
  const auto entry = entries_.find(file.key_);
  if (entry == entries_.end() || entry->second.version != version || entry->second.users != 1) {
    return;
  }
  remove(entry);
  file.store_ = nullptr;
}

/// Whether a file of that size could have room if all went that may go.
Status ResourceStore::check_room(std::uint64_t size) const {
  std::uint64_t staying = bytes_;
  for (const auto& [key, entry] : entries_) {
    if (entry.users == 0) staying -= entry.size;
  }
  if (staying > limit_ || size > limit_ - staying) return no_room(limit_, size);
  return {};
}

/// Half as many as there are places left: whoever comes next finds some, and who is alone has half
/// of all.
Status ResourceStore::check_share(const std::string& folder) const {
  if (arriving_ >= most_arriving_) {
    return Error{Errc::busy, concat("the agent receives ", arriving_,
                                    " files at the moment, the most it can: try again when "
                                    "other uploads are complete")};
  }
  const auto own = arriving_in_.find(folder);
  if (own == arriving_in_.end() || own->second < most_arriving_ - arriving_) return {};
  return Error{Errc::busy, concat("the agent receives ", own->second,
                                  " files of this tenant at the moment and keeps the other places "
                                  "for others: try again when some of its uploads are complete")};
}

Result<Fd> ResourceStore::make_file(const std::string& directory, std::string& path) {
  for (;;) {
    ::mkdir(directory.c_str(), S_IRWXU);  // it exists, or mkostemp says why not
    path = concat(directory, "/", kIncoming, kIncomingSuffix);
    Fd fd(::mkostemp(path.data(), O_CLOEXEC));
    if (fd) return fd;
    const int why = errno;
    if (!is_disk_full(why) || !evict_oldest()) return cannot_store(why);
  }
}

Result<std::shared_ptr<IncomingFile>> ResourceStore::find_or_make(const std::string& folder,
                                                                  const std::string& digest,
                                                                  std::uint64_t size) {
  std::string key = concat(folder, "/", digest);
  Incoming& place = incoming_[{key, size}];
  if (auto file = place.shared.lock()) return file;
  Status room = check_room(size);
  std::string path;
  Fd fd;
  if (room) {
    auto made = make_file(concat(directory_, "/", folder), path);
    if (made) {
      fd = *std::move(made);
    } else {
      room = std::move(made).error();
    }
  }
  if (!room) {
    incoming_.erase({key, size});
    return std::move(room).error();
  }
  // One allocation: if there were memory for the file and none for the count of its owners, the
  // file's destructor would wait for the mutex that is held here.
  auto file = std::make_shared<IncomingFile>(IncomingFile::MadeByStore(), *this, std::move(key),
                                             std::move(path), std::move(fd), size);
  place = {file.get(), file};
  return file;
}

Result<Reception> ResourceStore::receive(const std::string& folder, const std::string& digest,
                                         std::uint64_t size) {
  std::shared_ptr<IncomingFile> file;
  std::string own_folder = folder;
  {
    const MutexLock lock(mutex_);
    VAC_CHECK(check_share(folder));
    VAC_TRY(file, find_or_make(folder, digest, size));
    ++arriving_in_[folder];
    ++arriving_;
  }
  return Reception(*this, std::move(own_folder), std::move(file));
}

Result<StoredFile> ResourceStore::finish(const IncomingFile& file) {
  const std::string wanted = digest_of(file.key_);
  VAC_TRY(const FileDigests::Known known, digests_.digest(file.fd_.get(), wanted));
  if (known.digest != wanted) {
    return Error{Errc::bad_message,
                 concat("the bytes of the uploaded file have the digest ", known.digest, ", not ",
                        wanted, ": it was changed or damaged on the way; try again")};
  }
  std::string path = path_of(file.key_);
  std::string key = file.key_;
  const MutexLock lock(mutex_);
  auto entry = entries_.find(file.key_);
  const bool known_already = entry != entries_.end();
  if (!known_already) entry = add(file.key_, 0);
  if (::rename(file.path_.c_str(), path.c_str()) != 0) {
    const int why = errno;
    if (!known_already) {
      by_age_.erase(entry->second.age);
      entries_.erase(entry);
    }
    return cannot_store(why);
  }
  // Its bytes were counted as they came; those of the file that it replaces are no more.
  bytes_ -= entry->second.size;
  entry->second.size = file.size_;
  if (known_already) ++entry->second.version;
  ++entry->second.users;
  forget(file);
  digests_.note_use(file.fd_.get());
  return StoredFile(*this, std::move(key), std::move(path));
}

void ResourceStore::discard(const IncomingFile& file, std::uint64_t written) noexcept {
  ::unlink(file.path_.c_str());
  const MutexLock lock(mutex_);
  bytes_ -= written;
  forget(file);
}

/// Who comes later begins anew.
void ResourceStore::forget(const IncomingFile& file) noexcept {
  const auto place = std::ranges::find_if(
      incoming_, [&](const auto& incoming) { return incoming.second.file == &file; });
  if (place != incoming_.end()) incoming_.erase(place);
}

StoredFile ResourceStore::share(const StoredFile& file) {
  StoredFile shared(*this, file.key_, file.path_);
  const MutexLock lock(mutex_);
  ++entries_.find(file.key_)->second.users;  // it is there: `file` is one of them
  return shared;
}

std::uint64_t ResourceStore::bytes() const {
  const MutexLock lock(mutex_);
  return bytes_;
}

std::size_t ResourceStore::arriving() const {
  const MutexLock lock(mutex_);
  return arriving_;
}

void ResourceStore::release(const std::string& key) noexcept {
  const MutexLock lock(mutex_);
  if (const auto entry = entries_.find(key); entry != entries_.end()) --entry->second.users;
}

Status ResourceStore::charge(std::uint64_t bytes) {
  const MutexLock lock(mutex_);
  VAC_CHECK(make_room(bytes));
  bytes_ += bytes;
  return {};
}

void ResourceStore::uncharge(std::uint64_t bytes) noexcept {
  if (bytes == 0) return;
  const MutexLock lock(mutex_);
  bytes_ -= bytes;
}

void ResourceStore::end_reception(const std::string& folder) noexcept {
  const MutexLock lock(mutex_);
  --arriving_;
  const auto own = arriving_in_.find(folder);
  if (--own->second == 0) arriving_in_.erase(own);
}

}  // namespace vac::agent
