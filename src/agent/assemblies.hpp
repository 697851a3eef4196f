// SPDX-License-Identifier: Apache-2.0
// Calls whose payload arrives in `data` frames, interleaved with other frames.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "agent/call_task.hpp"

namespace vac::agent {

/// Confined to the connection's owner.
class Assemblies {
 public:
  /// The task's frame is there up to `filled` bytes; the rest comes in data frames.
  void begin(TaskPtr task, std::size_t filled);
  /// A call that was answered at once: its payload still comes, and is thrown away.
  void discard(std::uint64_t request, std::uint64_t bytes);

  /// Where the next bytes of a call belong; empty: they are thrown away. VAC_EPROTO: nobody
  /// announced them.
  Result<std::span<std::byte>> place(std::uint64_t request, std::uint64_t bytes);
  /// They are there. Returns the call once it is complete.
  TaskPtr filled(std::uint64_t request, std::uint64_t bytes);
  /// Ends a call before it is complete; the rest is thrown away. Null where there is none of that
  /// id.
  TaskPtr cancel(std::uint64_t request);
  /// The client has ended a payload itself: nothing more comes.
  TaskPtr abandon(std::uint64_t request);

  std::size_t size() const noexcept { return growing_.size(); }
  void clear() noexcept { growing_.clear(); }

 private:
  /// How many payloads to be thrown away are remembered; a client has far fewer under way.
  static constexpr std::size_t kMostDiscarded = 1024;
  struct Growing {
    TaskPtr task;
    std::uint64_t filled;
  };
  struct Discarded {
    std::uint64_t request, rest;
  };

  std::vector<Growing>::iterator find(std::uint64_t request);

  std::vector<Growing> growing_;
  std::deque<Discarded> discarded_;
};

}  // namespace vac::agent
