// SPDX-License-Identifier: Apache-2.0
#include "agent/config.hpp"

#include <grp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <utility>

#include "base/text.hpp"
#include "core/runtime.hpp"
#include "transport/address.hpp"
#include "wire/frame.hpp"

namespace vac::agent {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostTenantName = 64;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_tenant_name(std::string_view name) {
  return name.size() <= kMostTenantName &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string_view::npos;
}

Status validate_listener(const ListenerConfig& listener) {
  if (auto address = transport::parse_address(listener.address); !address) {
    return std::move(address).error().with_context("listen");
  }
  if (!is_tenant_name(listener.tenant)) {
    return Error{Errc::invalid, concat("listen ", listener.address, ": tenant '",
                                       printable(listener.tenant), "' is not a name of at most ",
                                       kMostTenantName, " letters, digits, '.', '_' and '-'")};
  }
  return {};
}

bool is_group(const std::string& name) {
  std::vector<char> buffer(1024);
  ::group entry{};
  ::group* found = nullptr;
  while (::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found) == ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  return found != nullptr;
}

/// Where a listener's socket is to be.
Status check_place(const ListenerConfig& listener) {
  VAC_TRY(const transport::Address address, transport::parse_address(listener.address));
  if (address.scheme != "unix") return {};
  const fs::path path = address.target;
  std::error_code failure;
  if (!fs::is_directory(path.parent_path(), failure)) {
    return Error{Errc::not_found, concat("there is no directory '", path.parent_path().native(),
                                         "': create it first")};
  }
  const fs::file_status there = fs::symlink_status(path, failure);
  if (fs::exists(there) && !fs::is_socket(there)) {
    return Error{Errc::exists, concat("'", path.native(),
                                      "' exists and is not a socket: choose another path, or "
                                      "remove it if it is not needed")};
  }
  if (!listener.group.empty() && !is_group(listener.group)) {
    return Error{Errc::not_found, concat("there is no group '", printable(listener.group),
                                         "': create it or name another")};
  }
  return {};
}

/// The agent makes the folder, and those above it.
Status check_cache(const std::string& directory) {
  std::error_code failure;
  fs::path there = fs::absolute(directory, failure).lexically_normal();
  while (there.has_relative_path() && !fs::exists(fs::symlink_status(there, failure))) {
    there = there.parent_path();
  }
  if (fs::is_directory(there, failure)) return {};
  return Error{Errc::not_directory,
               concat("cache: directory '", directory, "': '", there.native(),
                      "' is no directory: choose another one with [cache] directory")};
}

Status check_plugins(const AgentConfig& config) {
  core::Runtime runtime(runtime_options(config));
  VAC_CHECK(runtime.load_plugins());
  std::vector<std::string_view> loaded;
  for (const core::Plugin* plugin : runtime.plugins()) loaded.emplace_back(plugin->name());
  for (const auto& [name, json] : config.plugin_configs) {
    if (!config.plugins.empty() || std::ranges::count(loaded, name) != 0) continue;
    const std::string near = nearest(name, loaded);
    return Error{Errc::invalid,
                 concat("plugin.", name, ": the plugin is configured and would not be loaded",
                        near.empty() ? "" : concat(", did you mean '", near, "'?"),
                        ": choose or install it, or leave the section out")};
  }
  return {};
}

}  // namespace

core::RuntimeOptions runtime_options(const AgentConfig& config) {
  core::RuntimeOptions options = core::RuntimeOptions::from_environment();
  if (!config.plugins.empty()) {
    options.plugins = config.plugins;
    options.only_these = true;
  }
  options.configs = config.plugin_configs;
  options.idle_unload = config.idle_unload;
  options.suggest_plugins = false;
  return options;
}

std::optional<LimitMistake> find_mistake(const LimitsConfig& limits) {
  if (limits.calls_in_flight == 0 || limits.calls_in_flight > wire::kMaxCallsInFlight) {
    return LimitMistake{"calls_in_flight", concat("is ", limits.calls_in_flight, ", must be 1 to ",
                                                  wire::kMaxCallsInFlight)};
  }
  if (limits.memory < kLeastFrameLimit) {
    return LimitMistake{
        "memory", concat("is ", limits.memory, " bytes, must be at least ", kLeastFrameLimit)};
  }
  if (limits.frame < kLeastFrameLimit) {
    return LimitMistake{"frame",
                        concat("is ", limits.frame, " bytes, must be at least ", kLeastFrameLimit)};
  }
  if (limits.frame > limits.memory) {
    return LimitMistake{
        "frame", concat("is ", limits.frame, " bytes and a tenant's memory only ", limits.memory,
                        ": no such frame would be taken, lower it or "
                        "raise memory")};
  }
  return std::nullopt;
}

Status validate(const AgentConfig& config) {
  std::set<std::string_view> addresses;
  for (const ListenerConfig& listener : config.listeners) {
    VAC_CHECK(validate_listener(listener));
    if (!addresses.insert(listener.address).second) {
      return Error{Errc::invalid, concat("listen ", listener.address, ": given twice")};
    }
  }
  for (const auto& [name, json] : config.plugin_configs) {
    if (!config.plugins.empty() && std::ranges::count(config.plugins, name) == 0) {
      return Error{Errc::invalid, concat("plugin.", name,
                                         ": the plugin is configured and not among "
                                         "those chosen: choose it too or leave the section out")};
    }
  }
  if (const auto mistake = find_mistake(config.limits)) {
    return Error{Errc::out_of_range, concat("limits: ", mistake->key, " ", mistake->why)};
  }
  return {};
}

Status check_surroundings(const AgentConfig& config) {
  std::vector<ListenerConfig> listeners = config.listeners;
  if (listeners.empty()) {
    VAC_TRY(std::string address, default_address());
    listeners.push_back({std::move(address), {}, {}, {}, {}});
  }
  for (const ListenerConfig& listener : listeners) {
    if (Status good = check_place(listener); !good) {
      return std::move(good).error().with_context(concat("listen ", listener.address));
    }
  }
  std::string cache = config.cache.directory;
  if (cache.empty()) {
    VAC_TRY(cache, default_cache_directory());
  }
  VAC_CHECK(check_cache(cache));
  return check_plugins(config);
}

std::string nearest_name(std::string_view word, std::span<const std::string_view> known) {
  return nearest(word, known);
}

Result<std::uint64_t> parse_bytes(std::string_view text) { return parse_size(text); }

std::string printable_text(std::string_view text) { return printable(text); }

Result<std::string> default_address() {
  if (::geteuid() == 0) return std::string("unix:///run/vaccel.sock");
  const std::string directory = environment("XDG_RUNTIME_DIR");
  if (directory.empty()) {
    return Error{Errc::not_found,
                 "no address given and XDG_RUNTIME_DIR is not set: say where to listen, such as "
                 "--listen unix:///tmp/vaccel.sock"};
  }
  return concat("unix://", directory, "/vaccel.sock");
}

Result<std::string> default_cache_directory() {
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    return cache + "/vaccel-agent";
  }
  if (::geteuid() == 0) return std::string("/var/cache/vaccel-agent");
  const std::string home = environment("HOME");
  if (home.empty()) {
    return Error{Errc::not_found,
                 "no place for uploaded files: neither XDG_CACHE_HOME nor HOME is set: give a "
                 "[cache] directory in the configuration"};
  }
  return home + "/.cache/vaccel-agent";
}

}  // namespace vac::agent
