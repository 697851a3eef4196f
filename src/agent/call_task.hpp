// SPDX-License-Identifier: Apache-2.0
// One call inside the agent, from its frame to the last byte of its reply.
#pragma once

#include <vac/plugin.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "agent/block.hpp"
#include "agent/region.hpp"
#include "agent/reply_buffer.hpp"
#include "base/fd.hpp"
#include "base/mutex.hpp"
#include "call/op_table.hpp"
#include "core/batch.hpp"
#include "core/call_context.hpp"
#include "wire/codec.hpp"

namespace vac::agent {

class Connection;
class HeldResource;
class TaskPool;

/// Most resource arguments of an operation: an operation has at most 16 arguments.
inline constexpr std::size_t kMostResources = 16;

/// A region that a call's frame names.
struct FoundRegion {
  std::uint32_t id;
  std::shared_ptr<Region> region;  // the client may drop it under the call
};

/// An input of a call that is still to be copied out of its region: all of its data.
struct LateInput {
  const std::byte* shared;
  std::uint64_t bytes;
};

/// All memory of one call. Has one owner at a time: the reading thread, the queue, the thread that
/// runs it, or the connection's pending output. `context.cancel()` alone may be called by others,
/// which find the task in the connection's table under its lock.
struct CallTask {
  explicit CallTask(SlabPool& pool) : outputs(pool) {}
  CallTask(const CallTask&) = delete;
  CallTask& operator=(const CallTask&) = delete;

  /// Ready for another call; keeps the memory that is worth keeping.
  void reset() noexcept;

  // Released in reverse order: blocks and resources before the connection that they belong to.
  // Shared with the connection's slot and other calls of it; null for a call that its reader runs
  // at once.
  std::shared_ptr<Connection> connection;
  const Op* op = nullptr;
  std::uint64_t request = 0;
  std::int64_t received_ns = 0;  ///< CLOCK_MONOTONIC, when its header was read
  std::int64_t ready_ns = 0;     ///< and when all of it was there to be started
  vac_call call{};
  core::CallContext context;
  std::array<core::Resource*, kMostResources> resources{};
  core::BatchGroup group;  ///< with which other calls it may run; set before it has to wait
  // Shared with the connection's table, from which a client may drop a resource under a running
  // call.
  std::vector<std::shared_ptr<HeldResource>> held;
  std::vector<std::uint64_t> capacities;  ///< of inout arrays and tensors, in order
  Block
      frame;  ///< what `call` points into, unless that is the staging buffer of the reading thread
  std::vector<FoundRegion> regions;
  std::vector<Block> copies;                  ///< of inputs in regions
  std::vector<LateInput> late;                ///< without a copy yet, in the order of records
  std::vector<wire::RegionResult> places;     ///< where its client wants results
  std::vector<wire::RegionResult> delivered;  ///< those that are there
  ReplyBuffer outputs;
  Fd descriptor;  ///< that leaves with the reply
  wire::FrameEncoder reply;
};

/// Gives a task back to its pool.
struct ReturnTask {
  TaskPool* pool = nullptr;
  void operator()(CallTask* task) const noexcept;
};
using TaskPtr = std::unique_ptr<CallTask, ReturnTask>;

/// Keeps tasks that are done for the next calls. Thread-safe.
class TaskPool {
 public:
  explicit TaskPool(SlabPool& slabs) : slabs_(slabs) {}
  TaskPool(const TaskPool&) = delete;
  TaskPool& operator=(const TaskPool&) = delete;

  TaskPtr get() VAC_EXCLUDES(mutex_);
  /// Frees the tasks that wait for work.
  void trim() VAC_EXCLUDES(mutex_);

 private:
  friend struct ReturnTask;
  void give_back(CallTask* task) noexcept VAC_EXCLUDES(mutex_);

  SlabPool& slabs_;
  Mutex mutex_;
  std::vector<std::unique_ptr<CallTask>> free_ VAC_GUARDED_BY(mutex_);
  std::size_t in_use_ VAC_GUARDED_BY(mutex_) = 0;
};

}  // namespace vac::agent
