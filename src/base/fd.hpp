// SPDX-License-Identifier: Apache-2.0
// The owner of one file descriptor.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace vac {

/// Owns a descriptor and closes it. Moved, never copied; -1 is "none". Confined to one owner at a
/// time: the caller sees to it that nobody closes while another thread uses the number.
class Fd {
 public:
  Fd() noexcept = default;
  /// Takes the descriptor over; a negative number, such as a failed open(), is none.
  explicit Fd(int fd) noexcept : fd_(fd < 0 ? -1 : fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  /// The descriptor, -1 for none; still owned here.
  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

  /// Gives the descriptor up without closing it.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

  /// Closes what is owned and takes `fd` over. errno is left as it was, so that a failure can be
  /// reported after its descriptor is gone.
  void reset(int fd = -1) noexcept {
    const int old = std::exchange(fd_, fd < 0 ? -1 : fd);
    if (old < 0) return;
    const int saved = errno;
    // Not repeated on EINTR: Linux has closed the number by then, and another thread may have it.
    ::close(old);
    errno = saved;
  }

 private:
  int fd_ = -1;
};

}  // namespace vac
