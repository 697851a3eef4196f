// SPDX-License-Identifier: Apache-2.0
#include "bench_control.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

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

[[noreturn]] void serve(int socket, char* request, std::size_t bytes) noexcept {
  const char reply[kControlReplyBytes] = {};
  while (receive_all(socket, request, bytes) && send_all(socket, reply, sizeof reply)) {
  }
  ::_exit(0);
}

}  // namespace

RawControl::RawControl(Fd socket, pid_t child, std::size_t bytes)
    : socket_(std::move(socket)), child_(child), request_(bytes) {}

Result<std::unique_ptr<RawControl>> RawControl::start(std::size_t bytes) {
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
  const pid_t child = ::fork();
  if (child < 0) return errno_error(errno, "cannot start the control's process");
  if (child == 0) {
    ours.reset();
    std::vector<char> request(bytes);
    serve(theirs.get(), request.data(), bytes);
  }
  return std::unique_ptr<RawControl>(new RawControl(std::move(ours), child, bytes));
}

RawControl::~RawControl() {
  socket_.reset();
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
