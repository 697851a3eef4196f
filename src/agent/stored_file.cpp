// SPDX-License-Identifier: Apache-2.0
#include "agent/stored_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <new>

#include "agent/resource_store.hpp"
#include "base/errno_error.hpp"
#include "base/text.hpp"

namespace vac::agent {

bool is_disk_full(int number) noexcept { return number == ENOSPC || number == EDQUOT; }

Error cannot_store(int number) {
  constexpr std::string_view kWhat = "cannot store an uploaded file";
  if (is_disk_full(number)) {
    return Error{Errc::no_space, concat(kWhat,
                                        ": the disk is full: make room where the agent "
                                        "keeps its cache")};
  }
  if (number == EMFILE || number == ENFILE) {
    return errno_error(number, kWhat, "try again later, or raise the agent's limit of open files");
  }
  if (number == EFBIG) {
    return errno_error(number, kWhat, "raise the agent's limit of file sizes (ulimit -f)");
  }
  return errno_error(number, kWhat,
                     "see that the agent can write where it keeps its cache, or choose another "
                     "place with [cache] directory and start it again");
}

StoredFile::~StoredFile() {
  if (store_ != nullptr) store_->release(key_);
}

IncomingFile::~IncomingFile() {
  const MutexLock lock(mutex_);  // nobody else has it; for the analysis
  if (!result_) store_.discard(*this, received_.bytes());
}

Status IncomingFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
  const std::uint64_t end = offset + bytes.size();
  {
    const MutexLock lock(mutex_);
    if (state_ == State::failed) return result_->error();
    if (state_ != State::receiving) return {};
    // What is there already may be all that another upload has, and stays.
    if (!bytes.empty() && received_.contains(offset, end)) return {};
    ++writers_;
  }
  Status written = put(offset, bytes);
  std::uint64_t unused = 0;
  bool last = false;
  {
    const MutexLock lock(mutex_);
    --writers_;
    if (written) {
      const std::uint64_t before = received_.bytes();
      try {
        if (state_ == State::receiving) received_.add(offset, end);
      } catch (const std::bad_alloc&) {  // as if it had not been written
        written = Error{Errc::no_memory};
      }
      unused = bytes.size() - (received_.bytes() - before);
      if (received_.covers(size_)) state_ = State::full;
    }
    last = state_ == State::full && writers_ == 0;
  }
  store_.uncharge(unused);
  if (last) verify();
  return written;
}

/// Charges the bytes; they are charged no more where this fails.
Status IncomingFile::put(std::uint64_t offset, std::span<const std::byte> bytes) const {
  bool charged = false;
  try {
    VAC_CHECK(store_.charge(bytes.size()));
    charged = true;
    std::span<const std::byte> rest = bytes;
    while (!rest.empty()) {
      const ssize_t count =
          ::pwrite(fd_.get(), rest.data(), rest.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) {
        const int why = count < 0 ? errno : ENOSPC;
        if (is_disk_full(why) && store_.make_way()) continue;
        store_.uncharge(bytes.size());
        return cannot_store(why);
      }
      rest = rest.subspan(static_cast<std::size_t>(count));
      offset += static_cast<std::uint64_t>(count);
    }
    return {};
  } catch (const std::bad_alloc&) {  // the file must learn that this writer is done
    if (charged) store_.uncharge(bytes.size());
    return Error{Errc::no_memory};
  }
}

/// Hashing takes a while: without the lock. Nobody writes any more.
void IncomingFile::verify() {
  auto result = [&]() -> Result<StoredFile> {
    try {
      return store_.finish(*this);
    } catch (const std::bad_alloc&) {
      return Error{Errc::no_memory};
    }
  }();
  if (!result) store_.discard(*this, size_);
  const MutexLock lock(mutex_);
  state_ = result ? State::stored : State::failed;
  result_.emplace(std::move(result));
  verified_.notify_all();
}

Result<StoredFile> IncomingFile::stored() {
  const MutexLock lock(mutex_);
  while (!result_) verified_.wait(mutex_);
  if (!*result_) return result_->error();
  return store_.share(**result_);
}

bool IncomingFile::failed() const {
  const MutexLock lock(mutex_);
  return state_ == State::failed;
}

Reception::~Reception() {
  if (store_ == nullptr) return;
  file_.reset();
  store_->end_reception(folder_);
}

}  // namespace vac::agent
