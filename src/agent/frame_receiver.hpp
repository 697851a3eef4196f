// SPDX-License-Identifier: Apache-2.0
// What a connection does with the frames of its client.
#pragma once

#include <vac/result.hpp>

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/connection.hpp"
#include "agent/frame_reader.hpp"
#include "agent/worker.hpp"

namespace vac::agent {

/// One receive's worth of frames of one connection, by its owner: quick calls are run at once,
/// where they lie if they lie there whole, and their replies go to worker.replies; other calls go
/// to worker.calls, in memory of their own.
class FrameReceiver final : public FrameHandler {
 public:
  FrameReceiver(Connection& connection, Worker& worker, std::int64_t received_ns) noexcept
      : connection_(connection), worker_(worker), received_ns_(received_ns) {}

  Status on_frame(const wire::FrameHeader& header, std::span<std::byte> frame) override;
  Result<std::span<std::byte>> on_begin(const wire::FrameHeader& header) override;
  Status on_complete(const wire::FrameHeader& header) override;
  Status on_oversized(const wire::FrameHeader& header, const Error& why) override;

 private:
  Status check_kind(const wire::FrameHeader& header) const;
  Status greet(std::span<const std::byte> frame);
  Status number_call(const wire::FrameHeader& header);
  /// The operation, or null after having answered the call.
  const Op* admit(const wire::FrameHeader& header);
  TaskPtr new_task(const wire::FrameHeader& header, const Op& op);
  Status on_call(const wire::FrameHeader& header, std::span<std::byte> frame);
  void on_cancel(std::uint64_t request);
  TaskPtr take_waiting(std::uint64_t request);
  Result<std::span<std::byte>> begin_call(const wire::FrameHeader& header);
  Result<std::span<std::byte>> begin_data(const wire::FrameHeader& header);

  bool runs_here(const Op& op) const;
  void run_here(const Op& op, const wire::FrameHeader& header, std::span<std::byte> frame);
  /// Decodes a call whose frame is complete, and runs it or leaves it to be run.
  void start(TaskPtr task);
  /// Answers a call whose payload may still come.
  void refuse(const wire::FrameHeader& header, const Error& why);
  void answer(std::uint64_t request, const Error& why);
  void add_reply(wire::FrameEncoder& reply);

  Connection& connection_;
  Worker& worker_;
  std::int64_t received_ns_;
};

}  // namespace vac::agent
