// SPDX-License-Identifier: Apache-2.0
#include "readiness.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace vac::agent {

void notify_service_manager(std::string_view state) {
  const char* const path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un name{};
  if (path == nullptr || path[0] == '\0' || std::strlen(path) >= sizeof name.sun_path) return;
  name.sun_family = AF_UNIX;
  const std::size_t length = std::strlen(path);
  std::memcpy(name.sun_path, path, length);
  if (path[0] == '@') name.sun_path[0] = '\0';
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (socket < 0) return;
  // A manager that does not listen is not the agent's trouble.
  (void)::sendto(socket, state.data(), state.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&name),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  ::close(socket);
}

void notify_starter(int fd) {
  if (fd < 0) return;
  constexpr std::string_view kLine = "ready\n";
  while (::write(fd, kLine.data(), kLine.size()) < 0 && errno == EINTR) {
  }
  ::close(fd);
}

}  // namespace vac::agent
