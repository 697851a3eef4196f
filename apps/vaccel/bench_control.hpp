// SPDX-License-Identifier: Apache-2.0
// The raw control: what the sockets alone take.
#pragma once

#include <sys/types.h>
#include <vac/result.hpp>

#include <cstddef>
#include <memory>
#include <vector>

#include "base/fd.hpp"
#include "bench_block.hpp"

namespace vac::cli {

inline constexpr std::size_t kControlReplyBytes = 64;

/// A blocking ping-pong with a child process over a pair of unix sockets, with the socket buffers
/// of the product: `bytes` there, 64 back. Buffers are reused and touched beforehand. The child
/// ends with this object, or with this process.
class RawControl final : public Subject {
 public:
  /// Forks: to be made before other threads run. At least one byte is sent.
  static Result<std::unique_ptr<RawControl>> start(std::size_t bytes);
  ~RawControl() override;
  RawControl(const RawControl&) = delete;
  RawControl& operator=(const RawControl&) = delete;

  Status call() override;
  pid_t child() const noexcept { return child_; }

 private:
  RawControl(Fd socket, pid_t child, std::size_t bytes);

  Fd socket_;
  pid_t child_;
  std::vector<char> request_;
};

}  // namespace vac::cli
