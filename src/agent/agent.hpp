// SPDX-License-Identifier: Apache-2.0
// The host side of vAccel: plugins of one runtime, served to clients of many tenants.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "agent/config.hpp"

namespace vac::core {
class Runtime;
}

namespace vac::agent {

/// "1.0.0"
const char* version() noexcept;

/// Lines of the agent's log: error, warning, info, debug. VAC_LOG_LEVEL, else info.
void use_default_log_level();
/// VAC_EINVAL names the levels.
Status set_log_level(std::string_view name);
/// For what the program itself has to say.
void log_note(std::string_view text);
/// What frameworks free stays this process's, see base/malloc_policy.hpp, until the agent has been
/// idle for a while. Before start().
void keep_freed_memory() noexcept;

/// Owns listeners, connections and threads. Everything starts in start() and ends in stop().
/// Thread-safe.
class Agent {
 public:
  /// Loads the plugins, listens when this returns, and says so in the log. No listeners: the
  /// default address.
  static Result<std::unique_ptr<Agent>> start(AgentConfig config);
  /// With a runtime that is ready: for tests, and programs with plugins of their own.
  static Result<std::unique_ptr<Agent>> start(AgentConfig config,
                                              std::unique_ptr<core::Runtime> runtime);
  /// Waits for calls that still run, however long: see stop().
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// Takes no more connections and calls, waits for those that run and for their replies to be
  /// taken, at most `patience`, then says goodbye to all clients. False: a plugin still runs a
  /// call, and the destructor would wait for it. Only the first call does anything.
  bool stop(std::chrono::milliseconds patience);

 private:
  struct Parts;
  explicit Agent(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace vac::agent
