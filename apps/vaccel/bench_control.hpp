// SPDX-License-Identifier: Apache-2.0
// The raw control: what the sockets alone take.
#pragma once

#include <sys/types.h>
#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/fd.hpp"
#include "bench_block.hpp"

namespace vac::cli {

inline constexpr std::size_t kControlReplyBytes = 64;

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

}  // namespace vac::cli
