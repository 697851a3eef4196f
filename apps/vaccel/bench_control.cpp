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
#include <thread>

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

/// Until the other end is gone. `payload` is the message itself, or what lies in shared memory.
void serve(int socket, std::span<char> message, std::span<const char> payload) noexcept {
  const char reply[kControlReplyBytes] = {};
  while (receive_all(socket, message.data(), message.size())) {
    read_payload(payload.data(), payload.size());
    if (!send_all(socket, reply, sizeof reply)) break;
  }
}

Status ping(int socket, std::span<const char> request) {
  char reply[kControlReplyBytes];
  if (send_all(socket, request.data(), request.size()) &&
      receive_all(socket, reply, sizeof reply)) {
    return {};
  }
  return Error{Errc::failed, "the control's process has ended: run the benchmark again"};
}

struct SocketPair {
  Fd ours, theirs;
};

/// With the socket buffers of the product.
Result<SocketPair> make_pair() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    return errno_error(errno, "cannot make a pair of sockets for the control");
  }
  SocketPair made{Fd(pair[0]), Fd(pair[1])};
  for (const int socket : pair) {
    const int size = transport::kSocketBufferBytes;
    if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) != 0 ||
        ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) != 0) {
      return errno_error(errno, "cannot set the control's socket buffers");
    }
  }
  return made;
}

void wait_for(pid_t child) {
  while (child >= 0 && ::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
}

/// A crowd's child: a thread a connection, until all their other ends are gone.
[[noreturn]] void serve_crowd(std::span<const Fd> sockets, std::size_t bytes) {
  std::vector<std::thread> threads;
  for (const Fd& socket : sockets) {
    threads.emplace_back([&socket, bytes] {
      std::vector<char> message(bytes);
      serve(socket.get(), message, message);
    });
  }
  for (std::thread& thread : threads) thread.join();
  ::_exit(0);
}

}  // namespace

void read_payload(const char* data, std::size_t bytes) noexcept {
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

void RawControl::Unmap::operator()(char* memory) const noexcept { ::munmap(memory, bytes); }

Result<std::unique_ptr<RawControl>> RawControl::start(std::size_t bytes, PayloadMemory memory) {
  bytes = std::max<std::size_t>(bytes, 1);
  VAC_TRY(SocketPair sockets, make_pair());
  const bool shared = memory == PayloadMemory::region;
  std::unique_ptr<RawControl> control(
      new RawControl(std::move(sockets.ours), shared ? kControlReplyBytes : bytes));
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
    const std::span<const char> payload =
        shared ? std::span<const char>(control->shared_.get(), bytes) : message;
    serve(sockets.theirs.get(), message, payload);
    ::_exit(0);
  }
  return control;
}

RawControl::~RawControl() {
  socket_.reset();
  wait_for(child_);
}

Status RawControl::call() { return ping(socket_.get(), request_); }

Status RawConnection::call() { return ping(socket_.get(), request_); }

Result<std::unique_ptr<RawCrowd>> RawCrowd::start(std::size_t connections, std::size_t bytes) {
  bytes = std::max<std::size_t>(bytes, 1);
  std::unique_ptr<RawCrowd> crowd(new RawCrowd);
  std::vector<Fd> theirs;
  for (std::size_t i = 0; i < connections; ++i) {
    VAC_TRY(SocketPair sockets, make_pair());
    crowd->connections_.push_back(std::make_unique<RawConnection>(std::move(sockets.ours), bytes));
    theirs.push_back(std::move(sockets.theirs));
  }
  crowd->child_ = ::fork();
  if (crowd->child_ < 0) return errno_error(errno, "cannot start the control's process");
  if (crowd->child_ == 0) {
    crowd->connections_.clear();
    serve_crowd(theirs, bytes);
  }
  return crowd;
}

RawCrowd::~RawCrowd() {
  connections_.clear();
  wait_for(child_);
}

}  // namespace vac::cli
