// SPDX-License-Identifier: Apache-2.0
// The bytes of a shared library, in a file or in memory, before anything of them is run.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace vac::exec {

/// Owns a descriptor.
class File {
 public:
  File() = default;
  explicit File(int fd) noexcept : fd_(fd) {}
  File(File&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  File& operator=(File&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int fd() const noexcept { return fd_; }

 private:
  int fd_ = -1;
};

/// The one file of a resource. Its memory is the resource's. Confined to one thread.
class Image {
 public:
  /// Opens it where it has a path. `title` is how errors call it.
  static Result<Image> open(const vac_resource_view& view, std::string title);

  /// VAC_EINVAL unless it is a whole shared object for this machine: the loader maps what the
  /// headers promise, and touching a page beyond the end of the file kills the process.
  Status check() const;
  /// A file that dlopen can be given, by its descriptor: its own, or one in memory.
  Result<File> into_file() &&;

 private:
  bool read(std::uint64_t offset, void* to, std::size_t bytes) const;
  Error refuse(const std::string& why) const;
  Status check_segments() const;

  File file_;
  const void* data_ = nullptr;  // where there is no file
  std::uint64_t size_ = 0;
  std::string title_;
};

}  // namespace vac::exec
