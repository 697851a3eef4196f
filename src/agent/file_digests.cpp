// SPDX-License-Identifier: Apache-2.0
#include "agent/file_digests.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/errno_error.hpp"
#include "base/fd.hpp"
#include "base/sha256.hpp"
#include "base/text.hpp"

namespace vac::agent {
namespace {

constexpr std::size_t kMostKnown = 65536;

}  // namespace

Result<FileDigests::Known> FileDigests::digest(const std::string& path, const std::string& name) {
  // Not to hang on a FIFO that someone left there.
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) {
    return errno_error(errno, concat("cannot read '", name, "'"));
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{Errc::invalid, concat("'", name, "' is not a regular file")};
  }
  // The time of change, unlike that of modification, cannot be set back by a program.
  const Identity identity{status.st_dev, status.st_ino, static_cast<std::uint64_t>(status.st_size),
                          status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
  {
    const MutexLock lock(mutex_);
    if (const auto found = known_.find(identity); found != known_.end()) {
      return Known{found->second, identity.size};
    }
  }
  VAC_TRY(std::string digest, sha256_fd(file.get(), name));
  const MutexLock lock(mutex_);
  if (known_.size() >= kMostKnown) known_.clear();
  known_.emplace(identity, digest);
  return Known{std::move(digest), identity.size};
}

}  // namespace vac::agent
