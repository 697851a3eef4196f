// SPDX-License-Identifier: Apache-2.0
// A connection to an agent made step by step, so that the step that fails can be named.
#pragma once

#include <sys/types.h>
#include <vac/result.hpp>

#include <cstdint>
#include <memory>
#include <optional>

#include "transport/channel.hpp"
#include "wire/hello.hpp"

namespace vac::cli {

/// Each step waits two seconds at most. Confined to one thread.
class AgentProbe {
 public:
  static Result<AgentProbe> connect(const transport::Address& address);

  /// The handshake: what both sides keep to.
  Result<wire::Hello> hello();
  /// After hello: the median time of a ping there and back, in microseconds.
  Result<double> ping_us(int count);
  /// The process that listens there, where the system tells.
  std::optional<pid_t> process() const;

 private:
  explicit AgentProbe(std::unique_ptr<transport::Channel> channel) : channel_(std::move(channel)) {}
  Status send(std::span<const iovec> frame);
  /// One whole frame into frame_; a goodbye is the error that it tells.
  Result<wire::FrameHeader> receive();

  std::unique_ptr<transport::Channel> channel_;
  std::vector<std::byte> frame_;
};

}  // namespace vac::cli
