// SPDX-License-Identifier: Apache-2.0
#include "transport/socket_channel.hpp"

#include <limits.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace vac::transport {
namespace {

std::optional<std::uint32_t> uid_of_peer(int socket) noexcept {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  // A family that knows no users answers with the number that stands for none.
  if (credentials.uid == static_cast<uid_t>(-1)) return std::nullopt;
  return credentials.uid;
}

bool is_unix(int socket) noexcept {
  int domain = 0;
  socklen_t size = sizeof domain;
  return getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

/// Room for one descriptor beside a message, and for no second one in what aligns it.
struct Ancillary {
  alignas(cmsghdr) std::byte bytes[CMSG_SPACE(sizeof(int))];

  void attach(msghdr& message) noexcept {
    message.msg_control = bytes;
    message.msg_controllen = CMSG_LEN(sizeof(int));
  }
};

/// What came beside a message.
Fd descriptor_in(msghdr& message) noexcept {
  Fd found;
  for (cmsghdr* at = CMSG_FIRSTHDR(&message); at != nullptr; at = CMSG_NXTHDR(&message, at)) {
    if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS) continue;
    int number = -1;
    if (at->cmsg_len < CMSG_LEN(sizeof number)) continue;
    std::memcpy(&number, CMSG_DATA(at), sizeof number);
    found.reset(number);
  }
  return found;
}

msghdr message_of(std::span<const iovec> buffers) noexcept {
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(buffers.data());  // the system only reads it
  message.msg_iovlen = std::min<std::size_t>(buffers.size(), IOV_MAX);
  return message;
}

std::ptrdiff_t result_of(ssize_t bytes) noexcept { return bytes >= 0 ? bytes : -errno; }

std::ptrdiff_t send_once(int socket, std::span<const iovec> from, int flags) noexcept {
  // For one piece the plain call is the cheaper one.
  if (from.size() == 1) {
    return result_of(
        ::send(socket, from.front().iov_base, from.front().iov_len, MSG_NOSIGNAL | flags));
  }
  const msghdr message = message_of(from);
  return result_of(sendmsg(socket, &message, MSG_NOSIGNAL | flags));
}

/// Where a transfer of several buffers stands.
struct Cursor {
  std::size_t index = 0;
  std::size_t offset = 0;  // in that buffer

  void advance(std::span<const iovec> buffers, std::size_t bytes) noexcept {
    offset += bytes;
    while (index < buffers.size() && offset >= buffers[index].iov_len) {
      offset -= buffers[index++].iov_len;
    }
  }
};

}  // namespace

void size_socket_buffers(int socket) noexcept {
  const int bytes = kSocketBufferBytes;
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
}

void set_socket_timeout(int socket, int option, std::chrono::milliseconds timeout) noexcept {
  const auto count = timeout.count();
  const timeval value{count / 1000, (count % 1000) * 1000};
  setsockopt(socket, SOL_SOCKET, option, &value, sizeof value);
}

SocketChannel::SocketChannel(Fd socket) noexcept
    : socket_(std::move(socket)),
      unix_(is_unix(socket_.get())),
      peer_uid_(uid_of_peer(socket_.get())) {}

ssize_t SocketChannel::receive_once(msghdr& message, int flags) noexcept {
  if (!accepts_.load(std::memory_order_relaxed)) return recvmsg(socket_.get(), &message, flags);
  Ancillary room;
  room.attach(message);
  const ssize_t bytes = recvmsg(socket_.get(), &message, flags | MSG_CMSG_CLOEXEC);
  if (bytes > 0 && message.msg_controllen != 0) [[unlikely]]
    keep(descriptor_in(message));
  return bytes;
}

ssize_t SocketChannel::receive_once(std::span<std::byte> to, int flags) noexcept {
  if (!accepts_.load(std::memory_order_relaxed)) {
    // No lock is held: keep() has let go of its own before it returned.
    // NOLINTNEXTLINE(clang-analyzer-unix.BlockInCriticalSection)
    return recv(socket_.get(), to.data(), to.size(), flags);
  }
  iovec piece{to.data(), to.size()};
  msghdr message = message_of({&piece, 1});
  return receive_once(message, flags);
}

void SocketChannel::keep(Fd descriptor) noexcept {
  const MutexLock lock(mutex_);
  const auto free = std::ranges::find_if(kept_, [](const Fd& kept) { return !kept; });
  if (free != kept_.end()) *free = std::move(descriptor);
}

Fd SocketChannel::take_descriptor() noexcept {
  const MutexLock lock(mutex_);
  Fd oldest = std::move(kept_.front());
  std::ranges::move(std::span(kept_).subspan(1), kept_.begin());
  return oldest;
}

std::ptrdiff_t SocketChannel::receive(std::span<std::byte> to, Wait wait) noexcept {
  if (wait == Wait::all) return receive_all(to);
  const int flags = wait == Wait::now ? MSG_DONTWAIT : 0;
  return result_of(receive_once(to, flags));
}

std::ptrdiff_t SocketChannel::receive(std::span<iovec> to, Wait wait) noexcept {
  if (wait == Wait::all) return receive_all(to);
  msghdr message = message_of(to);
  return result_of(receive_once(message, wait == Wait::now ? MSG_DONTWAIT : 0));
}

/// One recv takes it all unless a signal, the time-out or the end of the stream cuts it short. Then
/// another recv tells which: progress goes on, nothing at all ends it.
std::ptrdiff_t SocketChannel::receive_all(std::span<std::byte> to) noexcept {
  std::size_t total = 0;
  while (total < to.size()) {
    const std::ptrdiff_t bytes = result_of(receive_once(to.subspan(total), MSG_WAITALL));
    if (bytes == -EINTR) continue;
    if (bytes <= 0) return total != 0 ? static_cast<std::ptrdiff_t>(total) : bytes;
    total += static_cast<std::size_t>(bytes);
  }
  return static_cast<std::ptrdiff_t>(total);
}

std::ptrdiff_t SocketChannel::receive_all(std::span<iovec> to) noexcept {
  Cursor at;
  std::size_t total = 0;
  at.advance(to, 0);
  while (at.index < to.size()) {
    std::ptrdiff_t bytes = 0;
    if (at.offset != 0) {  // the rest of one buffer, then whole ones again
      const iovec& rest = to[at.index];
      bytes = result_of(receive_once(
          {static_cast<std::byte*>(rest.iov_base) + at.offset, rest.iov_len - at.offset},
          MSG_WAITALL));
    } else {
      msghdr message = message_of(to.subspan(at.index));
      bytes = result_of(receive_once(message, MSG_WAITALL));
    }
    if (bytes == -EINTR) continue;
    if (bytes <= 0) return total != 0 ? static_cast<std::ptrdiff_t>(total) : bytes;
    total += static_cast<std::size_t>(bytes);
    at.advance(to, static_cast<std::size_t>(bytes));
  }
  return static_cast<std::ptrdiff_t>(total);
}

std::ptrdiff_t SocketChannel::send(std::span<const iovec> from, Wait wait) noexcept {
  if (wait == Wait::all) return send_all(from);
  return send_once(socket_.get(), from, wait == Wait::now ? MSG_DONTWAIT : 0);
}

std::ptrdiff_t SocketChannel::send_with(std::span<const iovec> from, int descriptor,
                                        Wait wait) noexcept {
  msghdr message = message_of(from);
  Ancillary beside{};
  beside.attach(message);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof descriptor);
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  const int flags = MSG_NOSIGNAL | (wait == Wait::now ? MSG_DONTWAIT : 0);
  return result_of(sendmsg(socket_.get(), &message, flags));
}

std::ptrdiff_t SocketChannel::send_all(std::span<const iovec> from) noexcept {
  Cursor at;
  std::size_t total = 0;
  at.advance(from, 0);
  while (at.index < from.size()) {
    std::ptrdiff_t bytes = 0;
    if (at.offset != 0) {
      const iovec& part = from[at.index];
      const iovec rest{static_cast<std::byte*>(part.iov_base) + at.offset,
                       part.iov_len - at.offset};
      bytes = send_once(socket_.get(), {&rest, 1}, 0);
    } else {
      bytes = send_once(socket_.get(), from.subspan(at.index), 0);
    }
    if (bytes == -EINTR) continue;
    if (bytes < 0) return total != 0 ? static_cast<std::ptrdiff_t>(total) : bytes;
    total += static_cast<std::size_t>(bytes);
    at.advance(from, static_cast<std::size_t>(bytes));
  }
  return static_cast<std::ptrdiff_t>(total);
}

void SocketChannel::set_receive_timeout(std::chrono::milliseconds timeout) noexcept {
  if (timeout == receive_timeout_) return;
  receive_timeout_ = timeout;
  set_socket_timeout(socket_.get(), SO_RCVTIMEO, timeout);
}

void SocketChannel::shutdown() noexcept { ::shutdown(socket_.get(), SHUT_RDWR); }

}  // namespace vac::transport
