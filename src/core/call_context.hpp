// SPDX-License-Identifier: Apache-2.0
// What the host knows of a call beside its vac_call, which points here by host_priv.
#pragma once

#include <vac/plugin.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "call/op_table.hpp"

namespace vac::core {

class AsyncCall;
class Plugin;
class Resource;
class TakenCall;
class Visit;

/// Gives a plugin room for the outputs whose size the caller did not know. Called by any thread of
/// the plugin, before completion, one at a time for a call.
class OutputSink {
 public:
  /// As vac_host.output, for an output that the operation has and a size that fits its shape;
  /// `type` is the element type of the argument. nullptr: no memory, or it was asked for before.
  virtual void* output(vac_call& call, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
                       std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) noexcept = 0;

 protected:
  ~OutputSink() = default;
};

/// Hears how far a plugin is with a call that takes long. Called by any thread of the plugin,
/// before completion.
class ProgressSink {
 public:
  virtual void progress(std::uint64_t done, std::uint64_t total) noexcept = 0;

 protected:
  ~ProgressSink() = default;
};

/// What a call waits for, apart from a plugin's hooks: that its resource is attached, a free slot,
/// its completion.
class Waker {
 public:
  /// Makes those who wait look at their calls again. Any thread.
  virtual void wake() noexcept = 0;

 protected:
  ~Waker() = default;
};

/// Lives beside its vac_call, on the caller's stack or in the agent's call object. One thread
/// dispatches; any thread may cancel() while it does.
struct CallContext {
  OutputSink* sink = nullptr;        ///< nullptr: the plugin gets no room
  ProgressSink* progress = nullptr;  ///< nullptr: nobody wants to know
  std::span<Resource* const>
      resources;  ///< one for each resource argument of the table, nullptr where absent
  std::atomic<bool> cancelled{false};  ///< sticky
  std::uint32_t detail = 0;            ///< the framework's own code of a failure
  std::string message;                 ///< of a failure: the sentence without the code

  Visit* visit = nullptr;  ///< of the caller, where its session may be closed meanwhile

  // Core's:
  const Op* op = nullptr;
  const std::atomic<bool>* closing = nullptr;  ///< the session's: as if every call were cancelled
  std::atomic<Waker*> waits_for{nullptr};
  AsyncCall* async = nullptr;      ///< this is the context of a copy
  TakenCall* taken = nullptr;      ///< its plugin has taken it and goes on by itself
  std::uint32_t given = 0;         ///< bit n: argument n has been given memory by `sink`
  int fault = 0;                   ///< not 0: what the plugin did wrong, `message` says it
  bool slot_lost = false;          ///< its plugin never completed it
  const Plugin* plugin = nullptr;  ///< that runs it

  /// Cancels the call: one that is queued ends, one that runs is told when its plugin asks or,
  /// where it waits for its completion, by the plugin's hook. Without effect on a call that is
  /// done.
  void cancel() noexcept {
    cancelled.store(true);
    if (Waker* const waker = waits_for.load()) waker->wake();
  }
  /// The caller has given up, by cancel() or by closing its session.
  bool given_up() const noexcept {
    return cancelled.load() || (closing != nullptr && closing->load());
  }
  /// As new, for another call.
  void reset() noexcept {
    sink = nullptr;
    progress = nullptr;
    resources = {};
    cancelled.store(false, std::memory_order_relaxed);
    detail = 0;
    message.clear();
    visit = nullptr;
    op = nullptr;
    closing = nullptr;
    waits_for.store(nullptr, std::memory_order_relaxed);
    async = nullptr;
    taken = nullptr;
    given = 0;
    fault = 0;
    slot_lost = false;
    plugin = nullptr;
  }
};

}  // namespace vac::core
