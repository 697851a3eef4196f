// SPDX-License-Identifier: Apache-2.0
// The raw control: what the sockets alone take.
#pragma once

#include <sys/types.h>
#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "bench_block.hpp"

namespace vac::cli {

inline constexpr std::size_t kControlReplyBytes = 64;

/// Reads every byte of a payload of a page or more, with the loop of the plugin `noop`.
void read_payload(const char* data, std::size_t bytes) noexcept;

/// How the payload of a round trip travels: over the socket, or in memory that both sides have.
enum class PayloadMemory : std::uint8_t { message, region };

/// A blocking ping-pong with a child process over a pair of unix sockets, with the socket buffers
/// of the product: `bytes` there, 64 back. Where they are in shared memory 64 bytes are sent to
/// tell of them. The child reads every byte of a payload of a page or more, as the plugin `noop`
/// does. Buffers are reused and touched beforehand. The child ends with this object, or with this
/// process.
class RawControl final : public Subject {
 public:
  /// Forks: to be made before other threads run. At least one byte is sent.
  static Result<std::unique_ptr<RawControl>> start(std::size_t bytes,
                                                   PayloadMemory memory = PayloadMemory::message);
  ~RawControl() override;
  RawControl(const RawControl&) = delete;
  RawControl& operator=(const RawControl&) = delete;

  Status call() override;
  pid_t child() const noexcept { return child_; }

 private:
  struct Unmap {
    std::size_t bytes = 0;
    void operator()(char* memory) const noexcept;
  };

  RawControl(Fd socket, std::size_t message_bytes)
      : socket_(std::move(socket)), request_(message_bytes) {}

  Fd socket_;
  pid_t child_ = -1;
  std::vector<char> request_;
  std::unique_ptr<char, Unmap> shared_{nullptr, Unmap{}};
};

/// One connection of a crowd. Confined to one thread at a time.
class RawConnection final : public Subject {
 public:
  RawConnection(Fd socket, std::size_t bytes) : socket_(std::move(socket)), request_(bytes) {}
  Status call() override;

 private:
  Fd socket_;
  std::vector<char> request_;
};

/// The same ping-pong over many connections, with a thread for each in the one child.
class RawCrowd {
 public:
  /// Forks: to be made before other threads run. At least one byte is sent.
  static Result<std::unique_ptr<RawCrowd>> start(std::size_t connections, std::size_t bytes);
  ~RawCrowd();
  RawCrowd(const RawCrowd&) = delete;
  RawCrowd& operator=(const RawCrowd&) = delete;

  std::span<const std::unique_ptr<RawConnection>> connections() const noexcept {
    return connections_;
  }
  pid_t child() const noexcept { return child_; }

 private:
  RawCrowd() = default;

  std::vector<std::unique_ptr<RawConnection>> connections_;
  pid_t child_ = -1;
};

}  // namespace vac::cli
