// SPDX-License-Identifier: Apache-2.0
// A channel over a connected stream socket of any family.
#pragma once

#include <sys/socket.h>
#include <vac/result.hpp>

#include <array>
#include <atomic>

#include "base/fd.hpp"
#include "base/mutex.hpp"
#include "transport/channel.hpp"

namespace vac::transport {

/// Thread-safe for one reader and one writer at a time.
class SocketChannel final : public Channel {
 public:
  /// Takes a connected, blocking stream socket over.
  explicit SocketChannel(Fd socket) noexcept;

  std::ptrdiff_t receive(std::span<std::byte> to, Wait wait) noexcept override;
  std::ptrdiff_t receive(std::span<iovec> to, Wait wait) noexcept override;
  std::ptrdiff_t send(std::span<const iovec> from, Wait wait) noexcept override;
  void set_receive_timeout(std::chrono::milliseconds timeout) noexcept override;
  void shutdown() noexcept override;
  int descriptor() const noexcept override { return socket_.get(); }
  std::optional<std::uint32_t> peer_uid() const noexcept override { return peer_uid_; }
  bool carries_descriptors() const noexcept override { return unix_; }
  std::ptrdiff_t send_with(std::span<const iovec> from, int descriptor,
                           Wait wait) noexcept override;
  void accept_descriptors(bool accept) noexcept override { accepts_.store(accept); }
  Fd take_descriptor() noexcept override VAC_EXCLUDES(mutex_);

 private:
  /// More than any reply brings; further ones are closed.
  static constexpr std::size_t kMostKept = 4;

  ssize_t receive_once(msghdr& message, int flags) noexcept;
  ssize_t receive_once(std::span<std::byte> to, int flags) noexcept;
  void keep(Fd descriptor) noexcept VAC_EXCLUDES(mutex_);
  std::ptrdiff_t receive_all(std::span<std::byte> to) noexcept;
  std::ptrdiff_t receive_all(std::span<iovec> to) noexcept;
  std::ptrdiff_t send_all(std::span<const iovec> from) noexcept;

  Fd socket_;
  bool unix_;
  std::atomic<bool> accepts_{false};
  Mutex mutex_;
  std::array<Fd, kMostKept> kept_ VAC_GUARDED_BY(mutex_);  // in order, without gaps
  std::optional<std::uint32_t> peer_uid_;
  std::chrono::milliseconds receive_timeout_{0};  // the reader's
};

/// Asks for kSocketBufferBytes both ways. Before connect or after accept; the system may give less.
void size_socket_buffers(int socket) noexcept;

/// SO_RCVTIMEO or SO_SNDTIMEO; zero: none.
void set_socket_timeout(int socket, int option, std::chrono::milliseconds timeout) noexcept;

}  // namespace vac::transport
