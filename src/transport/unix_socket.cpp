// SPDX-License-Identifier: Apache-2.0
#include "transport/unix_socket.hpp"

#include <sys/socket.h>

#include <cerrno>

#include "base/errno_error.hpp"
#include "base/text.hpp"
#include "transport/socket_channel.hpp"

namespace vac::transport {

Result<Fd> new_unix_socket(int flags, std::string_view doing) {
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  if (!socket) return errno_error(errno, concat(doing, ": cannot make a socket"));
  size_socket_buffers(socket.get());
  return socket;
}

Result<Fd> accept_unix_socket(int listener, std::string_view address) {
  for (;;) {
    Fd socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (socket) {
      size_socket_buffers(socket.get());
      return socket;
    }
    const int number = errno;
    if (number == EAGAIN) return Fd();
    if (number == EINTR || number == ECONNABORTED) continue;
    return errno_error(
        number, concat("accept at ", address),
        number == EMFILE ? "raise the limit of open files, with ulimit -n or LimitNOFILE=" : "");
  }
}

}  // namespace vac::transport
