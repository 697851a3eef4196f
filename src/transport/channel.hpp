// SPDX-License-Identifier: Apache-2.0
// A connected stream of bytes, whatever carries it. It has never heard of a call.
#pragma once

#include <sys/uio.h>
#include <vac/result.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/fd.hpp"
#include "transport/address.hpp"

namespace vac::transport {

/// How long a transfer may wait. `block`: for at least one byte (at most the receive time-out);
/// `now`: not at all; `all`: until the whole buffer is full, or the stream ends, or the receive
/// time-out passes without progress.
enum class Wait : std::uint8_t { block, now, all };

/// Thread-safe for one reader and one writer at a time. The descriptor closes with the object.
class Channel {
 public:
  virtual ~Channel() = default;
  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// > 0 bytes received; 0 the peer has ended the stream; -errno: -EAGAIN when nothing came in
  /// time, -EINTR, -ECONNRESET.
  virtual std::ptrdiff_t receive(std::span<std::byte> to, Wait wait) noexcept = 0;
  /// The same into several buffers with one system call.
  virtual std::ptrdiff_t receive(std::span<iovec> to, Wait wait) noexcept = 0;
  /// Bytes taken, maybe fewer than offered; -EAGAIN when none can be taken now (Wait::now), -EPIPE,
  /// -ECONNRESET. Never raises SIGPIPE.
  virtual std::ptrdiff_t send(std::span<const iovec> from, Wait wait) noexcept = 0;
  /// Bound on a blocking receive; zero: none.
  virtual void set_receive_timeout(std::chrono::milliseconds timeout) noexcept = 0;
  /// Ends both directions; a receive blocked in another thread returns 0.
  virtual void shutdown() noexcept = 0;
  /// Polls readable when there is something to receive, writable when send takes something.
  virtual int descriptor() const noexcept = 0;
  /// The peer's user, where the transport knows it.
  virtual std::optional<std::uint32_t> peer_uid() const noexcept = 0;

  /// Whether a descriptor can travel with the bytes.
  virtual bool carries_descriptors() const noexcept { return false; }
  /// As send(), once; the descriptor goes with the first byte and stays the caller's. Only where
  /// they can travel.
  virtual std::ptrdiff_t send_with(std::span<const iovec> from, int descriptor,
                                   Wait wait) noexcept {
    static_cast<void>(descriptor);
    return send(from, wait);
  }
  /// Whether a receive that begins from now on keeps the descriptor that comes with its bytes, and
  /// a few in all; all others are closed. At first none is kept: looking for them costs each
  /// receive its time. Any thread.
  virtual void accept_descriptors(bool accept) noexcept { static_cast<void>(accept); }
  /// The oldest that has come and was not taken yet; none: there is none. Any thread.
  virtual Fd take_descriptor() noexcept { return {}; }
};

/// Waits for connections. Confined to one thread at a time.
class Listener {
 public:
  virtual ~Listener() = default;
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// A waiting connection; an empty pointer when there is none now; an error when the system has no
  /// descriptor or memory left.
  virtual Result<std::unique_ptr<Channel>> accept() = 0;
  /// Polls readable when accept() has something.
  virtual int descriptor() const noexcept = 0;
};

/// Connects within `timeout`. Errors are sentences with a remedy: "open unix:///run/x.sock: no
/// agent listens there; start one with: vaccel-agent --listen unix:///run/x.sock"
/// (VAC_ECONNREFUSED); no permission: VAC_EACCES and which group the socket is of.
Result<std::unique_ptr<Channel>> connect(const Address& address, std::chrono::milliseconds timeout);

struct ListenOptions {
  std::uint32_t mode = 0600;  ///< unix: of the socket file
  std::string group;          ///< unix: name, empty for the process's own
};
/// A stale socket file, which nobody listens on, is replaced; a live one is VAC_EADDRINUSE; another
/// kind of file is left alone (VAC_EEXIST). The listener removes its file at its end, if it is
/// still its own.
Result<std::unique_ptr<Listener>> listen(const Address& address, const ListenOptions& options);

/// Bytes asked for as socket buffers on both sides.
inline constexpr int kSocketBufferBytes = 1 << 20;

}  // namespace vac::transport
