// SPDX-License-Identifier: Apache-2.0
#include "bench_control.hpp"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/errno_error.hpp"
#include "transport/channel.hpp"

namespace vac::cli {
namespace {

/// All bytes, or false: the other end is gone.
bool send_all(int socket, const char* data, std::size_t bytes) noexcept {
  while (bytes > 0) {
    const ssize_t sent = ::send(socket, data, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    bytes -= static_cast<std::size_t>(sent);
  }
  return true;
}

bool receive_all(int socket, char* data, std::size_t bytes) noexcept {
  while (bytes > 0) {
    const ssize_t got = ::recv(socket, data, bytes, MSG_WAITALL);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    data += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

/// The loop of the plugin `noop`.
void read_all(const char* data, std::size_t bytes) noexcept {
  constexpr std::size_t kUnread = 4096;
  if (bytes < kUnread) return;
  std::uint64_t sum = 0;
  const std::size_t words = bytes / sizeof sum;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t word;
    std::memcpy(&word, data + i * sizeof word, sizeof word);
    sum += word;
  }
  volatile std::uint64_t kept = sum;
  static_cast<void>(kept);
}

/// `payload` is the message itself, or what lies in shared memory.
[[noreturn]] void serve(int socket, std::span<char> message,
                        std::span<const char> payload) noexcept {
  const char reply[kControlReplyBytes] = {};
  while (receive_all(socket, message.data(), message.size())) {
    read_all(payload.data(), payload.size());
    if (!send_all(socket, reply, sizeof reply)) break;
  }
  ::_exit(0);
}

}  // namespace

void RawControl::Unmap::operator()(char* memory) const noexcept { ::munmap(memory, bytes); }

Result<std::unique_ptr<RawControl>> RawControl::start(std::size_t bytes, PayloadMemory memory) {
  bytes = std::max<std::size_t>(bytes, 1);
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return errno_error(errno, "cannot make a pair of sockets for the control");
  }
  Fd ours(pair[0]);
  Fd theirs(pair[1]);
  for (const int socket : pair) {
    const int size = transport::kSocketBufferBytes;
    if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0 ||
        ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0) {
      return errno_error(errno, "cannot set the control's socket buffers");
    }
  }
  const bool shared = memory == PayloadMemory::region;
  std::unique_ptr<RawControl> control(
      new RawControl(std::move(ours), shared ? kControlReplyBytes : bytes));
  if (shared) {
    void* const mapped = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (mapped == MAP_FAILED) return errno_error(errno, "cannot share memory with the control");
    control->shared_ = {static_cast<char*>(mapped), Unmap{bytes}};
  }
  control->child_ = ::fork();
  if (control->child_ < 0) return errno_error(errno, "cannot start the control's process");
  if (control->child_ == 0) {
    control->socket_.reset();
    std::vector<char> message(control->request_.size());
    if (shared) serve(theirs.get(), message, {control->shared_.get(), bytes});
    serve(theirs.get(), message, message);
  }
  return control;
}

RawControl::~RawControl() {
  socket_.reset();
  if (child_ < 0) return;
  while (::waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Status RawControl::call() {
  char reply[kControlReplyBytes];
  if (send_all(socket_.get(), request_.data(), request_.size()) &&
      receive_all(socket_.get(), reply, sizeof reply)) {
    return {};
  }
  return Error{Errc::failed, "the control's process has ended: run the benchmark again"};
}

}  // namespace vac::cli
