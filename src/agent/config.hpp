// SPDX-License-Identifier: Apache-2.0
// What an operator may choose, whatever file or command line it came from.
#pragma once

#include <vac/result.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vac::core {
struct RuntimeOptions;
}

namespace vac::agent {

/// What a call does with an input in memory that its client can change at any time: `copy` reads it
/// once, `in_place` works on it, for clients of the agent's own user alone.
enum class SharedInput : std::uint8_t { copy, in_place };

/// One address to listen on, and who may use it. Without `uids` and `group` it is the agent's own
/// user alone; with `group` whoever may open the socket; with `uids` those users and the agent's
/// own.
struct ListenerConfig {
  std::string address;
  std::string group;
  std::vector<std::uint32_t> uids;
  std::string tenant;  ///< all who connect here are this one tenant; empty: each user is one
  SharedInput shared_input = SharedInput::copy;
};

/// What a tenant, or one of its connections, may use.
struct LimitsConfig {
  std::uint64_t memory = 4ULL << 30;     ///< of a tenant: requests and results in transit
  std::uint64_t frame = 4ULL << 30;      ///< the largest request or reply, at most `memory`
  std::uint64_t regions = 256ULL << 20;  ///< of a tenant: memory shared with its clients
  std::uint32_t calls_in_flight = 64;    ///< of a connection
};

struct CacheConfig {
  std::string directory;  ///< of files that clients uploaded; empty: default_cache_directory()
  std::uint64_t bytes = 16ULL << 30;
};

struct AgentConfig {
  std::vector<ListenerConfig> listeners;
  std::string models_directory;  ///< empty: no model://
  CacheConfig cache;
  LimitsConfig limits;
  /// Plugins in order of choice; empty: VAC_PLUGINS, or all that are installed (see
  /// RuntimeOptions).
  std::vector<std::string> plugins;
  std::map<std::string, std::string> plugin_configs;  ///< by name, a JSON object each
  std::uint32_t executors =
      0;  ///< calls that run at the same time, whatever their plugin; 0: by the machine
  std::chrono::milliseconds idle_unload{60'000};  ///< as given to the runtime
};

inline constexpr std::uint64_t kLeastFrameLimit = 1ULL << 20;

/// What is wrong with a limit: its key in [limits], and why.
struct LimitMistake {
  std::string_view key;
  std::string why;
};
std::optional<LimitMistake> find_mistake(const LimitsConfig& limits);

/// How an agent of that configuration opens its plugins.
core::RuntimeOptions runtime_options(const AgentConfig& config);

/// Refuses what contradicts itself: an address twice, a bad address, limits that shut everybody
/// out, configuration of a plugin that is not chosen.
Status validate(const AgentConfig& config);

/// Refuses what would keep an agent from starting, as far as that can be told without listening:
/// a socket's folder, file or group that is not right, a cache folder that cannot be one, a plugin
/// that is not installed or does not take its settings, settings of a plugin that is not loaded.
/// Opens the plugins and closes them. The configuration is valid.
Status check_surroundings(const AgentConfig& config);

/// For readers of configuration: "did you mean", empty where nothing is near; sizes such as 256MiB;
/// text as one line that a terminal can be shown.
std::string nearest_name(std::string_view word, std::span<const std::string_view> known);
Result<std::uint64_t> parse_bytes(std::string_view text);
std::string printable_text(std::string_view text);

/// unix://${XDG_RUNTIME_DIR}/vaccel.sock, or unix:///run/vaccel.sock for root. An error where there
/// is no such directory.
Result<std::string> default_address();
/// ${XDG_CACHE_HOME}/vaccel-agent; where that is not set /var/cache/vaccel-agent for root and
/// ~/.cache/vaccel-agent for others.
Result<std::string> default_cache_directory();

}  // namespace vac::agent
