// SPDX-License-Identifier: Apache-2.0
#include "agent/file_digests.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "base/errno_error.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"

namespace vac::agent {
namespace {

constexpr std::size_t kMostKnown = 65536;

timespec now_of(clockid_t clock) noexcept {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now;
}

}  // namespace

Result<Fd> open_regular(const std::string& path, const std::string& name) {
  // Not to hang on a FIFO that someone left there.
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) {
    return errno_error(errno, concat("cannot read '", name, "'"));
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{Errc::invalid, concat("'", name, "' is not a regular file")};
  }
  return file;
}

Result<FileDigests::Found> FileDigests::look_at(int fd, const std::string& name) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return errno_error(errno, concat("cannot read '", name, "'"));
  Found found;
  found.identity = {status.st_dev, status.st_ino};
  found.entry.size = static_cast<std::uint64_t>(status.st_size);
  found.entry.modified = {status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
  // The time of change, unlike that of modification, cannot be set back by a program.
  found.entry.changed = {status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
  return found;
}

Result<FileDigests::Known> FileDigests::digest(const std::string& path, const std::string& name) {
  VAC_TRY(const Fd file, open_regular(path, name));
  return digest(file.get(), name);
}

Result<FileDigests::Known> FileDigests::digest(int fd, const std::string& name) {
  Found before;
  {
    const MutexLock lock(mutex_);  // over the look as well: note_use() changes what it would see
    VAC_TRY(before, look_at(fd, name));
    const auto known = known_.find(before.identity);
    if (known != known_.end() && known->second.settled &&
        known->second.has_content_of(before.entry) &&
        known->second.changed == before.entry.changed) {
      return Known{known->second.digest, before.entry.size};
    }
  }
  const timespec started = now_of(CLOCK_REALTIME_COARSE);
  VAC_TRY(std::string digest, sha256_fd(fd, name));
  const MutexLock lock(mutex_);
  VAC_TRY(Found after, look_at(fd, name));
  if (!after.entry.has_content_of(before.entry)) {
    return Error{Errc::again, concat("'", name, "' was written to while it was read: try again")};
  }
  if (known_.size() >= kMostKnown) known_.clear();
  after.entry.settled = after.entry.modified < Time{started.tv_sec, started.tv_nsec};
  after.entry.digest = digest;
  const std::uint64_t size = after.entry.size;
  known_.insert_or_assign(after.identity, std::move(after.entry));
  return Known{std::move(digest), size};
}

void FileDigests::note_use(int fd) noexcept {
  try {
    note_new_time(fd);
  } catch (const std::bad_alloc&) {  // then it is hashed once more
  }
}

void FileDigests::note_new_time(int fd) {
  // Finer than the clock that the kernel stamps files with.
  const std::array<timespec, 2> times{now_of(CLOCK_REALTIME), timespec{0, UTIME_OMIT}};
  const MutexLock lock(mutex_);
  const auto before = look_at(fd, {});
  if (!before || ::futimens(fd, times.data()) != 0) return;
  const auto known = known_.find(before->identity);
  const auto after = look_at(fd, {});
  if (known == known_.end() || !after || !known->second.has_content_of(after->entry)) return;
  known->second.changed = after->entry.changed;
}

}  // namespace vac::agent
