// SPDX-License-Identifier: Apache-2.0
// The conformance kit: holds any plugin to the promises of <vac/plugin.h>, by the plugin ABI alone.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "plugin_check/outcome.hpp"

namespace vac::plugin_check {

struct CheckOptions {
  std::string file;
  std::string op;                  ///< only this operation; empty: all that are offered
  std::string config_json = "{}";  ///< what `open` is given
  std::string resource_file;       ///< for operations that take one; empty: random bytes
  std::string resource_options_json = "{}";
  std::string address;  ///< of an agent, for plugins that serve other addresses than local:
  std::uint64_t seed = 1;
  std::uint32_t calls = 50;           ///< random calls of an operation
  std::chrono::seconds patience{10};  ///< for everything that the plugin is asked to do
};

/// Runs every check and passes on each outcome as it comes. The plugin is loaded by forked
/// processes only, one for each operation: what crashes or hangs fails the check that it did so in,
/// and the others go on. Returns whether no check failed; an Error where the options cannot be
/// meant so. This process must have one thread.
Result<bool> check_plugin(const CheckOptions& options, const Listener& listener);

}  // namespace vac::plugin_check
