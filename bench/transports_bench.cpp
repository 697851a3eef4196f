// SPDX-License-Identifier: Apache-2.0
// Bytes there and 64 back through a channel of each transport, with a thread that echoes, beside
// the same over a bare pair of sockets.
#include <benchmark/benchmark.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.hpp"
#include "transport/address.hpp"
#include "transport/channel.hpp"

namespace {

using vac::transport::Channel;
using vac::transport::Wait;

constexpr std::size_t kReplyBytes = 64;

bool send_all(Channel& channel, std::span<std::byte> data) {
  while (!data.empty()) {
    const iovec part{data.data(), data.size()};
    const std::ptrdiff_t sent = channel.send({&part, 1}, Wait::block);
    if (sent <= 0) return false;
    data = data.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

bool receive_all(Channel& channel, std::span<std::byte> data) {
  return channel.receive(data, Wait::all) == static_cast<std::ptrdiff_t>(data.size());
}

/// A socket without anything around it.
class BareSocket {
 public:
  explicit BareSocket(int fd) : fd_(fd) {
    const int size = vac::transport::kSocketBufferBytes;
    ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
  }
  void shutdown() const { ::shutdown(fd_.get(), SHUT_RDWR); }
  int fd() const { return fd_.get(); }

 private:
  vac::Fd fd_;
};

bool send_all(BareSocket& socket, std::span<std::byte> data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(socket.fd(), data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data = data.subspan(static_cast<std::size_t>(sent));
  }
  return true;
}

bool receive_all(BareSocket& socket, std::span<std::byte> data) {
  return ::recv(socket.fd(), data.data(), data.size(), MSG_WAITALL) ==
         static_cast<ssize_t>(data.size());
}

template <class End>
void ping_pong(benchmark::State& state, std::unique_ptr<End> here, std::unique_ptr<End> there) {
  const auto bytes = static_cast<std::size_t>(state.range(0));
  std::vector<std::byte> request(bytes);
  std::vector<std::byte> reply(kReplyBytes);
  std::thread echo([&there, bytes] {
    std::vector<std::byte> message(bytes);
    while (receive_all(*there, message)) {
      if (!send_all(*there, std::span(message).first(kReplyBytes))) break;
    }
  });
  for ([[maybe_unused]] const auto round : state) {
    if (!send_all(*here, request) || !receive_all(*here, reply)) {
      state.SkipWithError("the other end is gone");
      break;
    }
  }
  here->shutdown();
  echo.join();
}

struct Ends {
  std::unique_ptr<Channel> here, there;
};

vac::Result<Ends> connect(const std::string& text) {
  VAC_TRY(const vac::transport::Address address, vac::transport::parse_address(text));
  VAC_TRY(const auto listener, vac::transport::listen(address, {}));
  Ends ends;
  VAC_TRY(ends.here, vac::transport::connect(address, std::chrono::seconds(5)));
  pollfd waiting{listener->descriptor(), POLLIN, 0};
  ::poll(&waiting, 1, 5000);
  VAC_TRY(ends.there, listener->accept());
  if (ends.there == nullptr) return vac::Error{vac::Errc::timed_out, "nobody came"};
  return ends;
}

void channel(benchmark::State& state, const std::string& address) {
  vac::Result<Ends> ends = connect(address);
  if (!ends) {
    state.SkipWithError(ends.error().message().c_str());
    return;
  }
  ping_pong(state, std::move(ends->here), std::move(ends->there));
}

void bare_unix_sockets(benchmark::State& state) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    state.SkipWithError("no pair of sockets");
    return;
  }
  ping_pong(state, std::make_unique<BareSocket>(pair[0]), std::make_unique<BareSocket>(pair[1]));
}

}  // namespace

int main(int argc, char** argv) {
  char folder[] = "/tmp/transports_bench.XXXXXX";
  if (::mkdtemp(folder) == nullptr) return 1;
  const auto add = [](const std::string& name, const auto& function) {
    benchmark::RegisterBenchmark(name.c_str(), function)
        ->Arg(64)
        ->Arg(65536)
        ->Arg(602112)
        ->UseRealTime();
  };
  add("bare_unix_sockets", bare_unix_sockets);
  add("channel/unix", [path = std::string(folder)](benchmark::State& state) {
    channel(state, "unix://" + path + "/socket");
  });
  add("channel/inproc",
      [](benchmark::State& state) { channel(state, "inproc://transports_bench"); });
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  ::rmdir(folder);
  return 0;
}
