// SPDX-License-Identifier: Apache-2.0
// What one thread of the agent has of its own.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "agent/call_task.hpp"
#include "agent/frame_reader.hpp"
#include "agent/poller.hpp"

namespace vac::agent {

/// Data up to this size is gone through in no time; with more a thread that reads connections must
/// not keep others waiting.
inline constexpr std::uint64_t kHandledAtOnce = std::uint64_t{1} << 20;

/// Confined to its thread.
struct Worker {
  explicit Worker(SlabPool& slabs) : quick(slabs) {}
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  alignas(wire::kAlignment) std::array<std::byte, kStagingBytes> staging;
  CallTask quick;                       ///< the call that runs where it was read
  wire::FrameEncoder encoder;           ///< failures and other short frames
  std::vector<std::byte> replies;       ///< of the calls of one receive, to leave in one send
  std::vector<TaskPtr> calls;           ///< read, and to be run or queued
  bool watching = false;                ///< counted among the watchers
  std::span<const Poller::Event> left;  ///< of its batch, while it watches: not looked at yet
  /// Raised with every receive that brought something; read by others.
  std::atomic<std::uint64_t> activity{0};
  // Ended under this thread's hands: perhaps the last references.
  std::vector<std::shared_ptr<Connection>> ended;
};

}  // namespace vac::agent
