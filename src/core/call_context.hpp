// SPDX-License-Identifier: Apache-2.0
// What the host knows of a call beside its vac_call, which points here by host_priv.
#pragma once

#include <vac/plugin.h>

#include <atomic>
#include <cstdint>
#include <span>
#include <string>

#include "base/futex_word.hpp"

namespace vac::core {

class Resource;

/// Gives a plugin room for the outputs whose size the caller did not know. Called by any thread of
/// the plugin, before completion, one at a time for a call.
class OutputSink {
 public:
  /// As vac_host.output; `type` is the element type of the argument.
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

/// Lives beside its vac_call, on the caller's stack or in the agent's call object. One thread
/// dispatches; any thread may set `cancelled`.
struct CallContext {
  OutputSink* sink = nullptr;        ///< nullptr: the plugin gets no room
  ProgressSink* progress = nullptr;  ///< nullptr: nobody wants to know
  std::span<Resource* const>
      resources;  ///< one for each resource argument of the table, nullptr where absent
  std::atomic<bool> cancelled{false};
  std::uint32_t detail = 0;  ///< the framework's own code of a failure
  std::string message;       ///< of a failure: the sentence without the code
  FutexWord done;            ///< core's
  int code = 0;              ///< core's: what complete() was given
};

}  // namespace vac::core
