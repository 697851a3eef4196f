// SPDX-License-Identifier: Apache-2.0
// Memory that tells how much of it has been used, whoever did: what a transfer has reached shows
// from outside, without a clock.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>

#include "base/fd.hpp"

namespace vac::test {

/// Zeros in a file of memory without pages: each page comes into being when it is first read or
/// written, by the system as well. Thread-safe.
class TrackedMemory {
 public:
  explicit TrackedMemory(std::size_t bytes) : size_(bytes), file_(::memfd_create("tracked", 0)) {
    if (!file_ || ::ftruncate(file_.get(), static_cast<off_t>(bytes)) != 0) {
      throw std::runtime_error("no memory file");
    }
    data_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file_.get(), 0);
    if (data_ == MAP_FAILED) throw std::runtime_error("cannot map a memory file");
  }
  ~TrackedMemory() { ::munmap(data_, size_); }
  TrackedMemory(const TrackedMemory&) = delete;
  TrackedMemory& operator=(const TrackedMemory&) = delete;

  template <class T>
  std::span<T> as() const {
    return {static_cast<T*>(data_), size_ / sizeof(T)};
  }
  std::size_t size() const { return size_; }
  /// Bytes of the pages that have been used.
  std::uint64_t used() const {
    struct stat info{};
    ::fstat(file_.get(), &info);
    return static_cast<std::uint64_t>(info.st_blocks) * 512;
  }
  /// Whether a transfer to or from all of it has begun and not reached the end.
  bool half_used() const {
    const std::uint64_t now = used();
    return now != 0 && now < size_;
  }

 private:
  std::size_t size_;
  Fd file_;
  void* data_ = nullptr;
};

}  // namespace vac::test
