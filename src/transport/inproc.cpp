// SPDX-License-Identifier: Apache-2.0
// Unix sockets in the kernel's abstract name space, with the process in the name: the ends find
// each other though agent and client are linked into different libraries, and there is no table of
// our own and no file. Who is another process and guesses the name is sent away.
#include "transport/inproc.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include "base/errno_error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "transport/socket_channel.hpp"
#include "transport/unix_socket.hpp"

namespace vac::transport {
namespace {

constexpr std::size_t kLongestName = 64;

struct Name {
  sockaddr_un address{};
  socklen_t size = 0;

  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&address); }
};

Result<Name> name_of(const Address& address) {
  if (Status status = check_inproc_target(address.target); !status) {
    return std::move(status).error().with_context(address.text());
  }
  const std::string text = concat("vac-inproc-", ::getpid(), "-", address.target);
  Name name;
  name.address.sun_family = AF_UNIX;
  std::memcpy(name.address.sun_path + 1, text.data(), text.size());  // a zero byte: abstract
  name.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return name;
}

bool is_this_process(int socket) noexcept {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == ::getpid();
}

class InprocListener final : public Listener {
 public:
  InprocListener(Fd socket, std::string address)
      : socket_(std::move(socket)), address_(std::move(address)) {}

  Result<std::unique_ptr<Channel>> accept() override {
    for (;;) {
      VAC_TRY(Fd socket, accept_unix_socket(socket_.get(), address_));
      if (!socket) return std::unique_ptr<Channel>();
      if (!is_this_process(socket.get())) continue;
      return std::unique_ptr<Channel>(std::make_unique<SocketChannel>(std::move(socket)));
    }
  }

  int descriptor() const noexcept override { return socket_.get(); }

 private:
  const Fd socket_;
  const std::string address_;
};

}  // namespace

Status check_inproc_target(std::string_view target) {
  const auto good = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  };
  if (!target.empty() && target.size() <= kLongestName && std::ranges::all_of(target, good)) {
    return {};
  }
  return Error{Errc::invalid, concat("must be a name of at most ", kLongestName,
                                     " characters a-z, 0-9, - and _, such as inproc://test")};
}

Result<std::unique_ptr<Channel>> connect_inproc(const Address& address,
                                                std::chrono::milliseconds timeout) {
  const std::string doing = "open " + address.text();
  VAC_TRY(const Name name, name_of(address));
  VAC_TRY(Fd socket, new_unix_socket(0, doing));
  set_socket_timeout(socket.get(), SO_SNDTIMEO, std::max(timeout, std::chrono::milliseconds(1)));
  while (::connect(socket.get(), name.get(), name.size) != 0) {
    if (errno == EINTR) continue;
    if (errno == ECONNREFUSED) {
      return Error{Errc::connection_refused,
                   concat(doing,
                          ": no agent listens there in this process; start one, or open "
                          "the address of one that runs")};
    }
    return errno_error(errno, concat(doing, ": cannot connect"));
  }
  if (!is_this_process(socket.get())) {
    return Error{Errc::connection_refused, concat(doing, ": another process has taken that name")};
  }
  set_socket_timeout(socket.get(), SO_SNDTIMEO, std::chrono::milliseconds(0));
  return std::unique_ptr<Channel>(std::make_unique<SocketChannel>(std::move(socket)));
}

Result<std::unique_ptr<Listener>> listen_inproc(const Address& address,
                                                const ListenOptions& /*options*/) {
  const std::string doing = "listen at " + address.text();
  VAC_TRY(const Name name, name_of(address));
  VAC_TRY(Fd socket, new_unix_socket(SOCK_NONBLOCK, doing));
  if (::bind(socket.get(), name.get(), name.size) != 0) {
    if (errno == EADDRINUSE) {
      return Error{Errc::address_in_use,
                   concat(doing, ": somebody in this process listens there: choose another name")};
    }
    return errno_error(errno, concat(doing, ": cannot make the socket"));
  }
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    return errno_error(errno, concat(doing, ": cannot listen"));
  }
  return std::unique_ptr<Listener>(
      std::make_unique<InprocListener>(std::move(socket), address.text()));
}

}  // namespace vac::transport
