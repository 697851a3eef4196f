// SPDX-License-Identifier: Apache-2.0
#include "agent/config.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/text.hpp"
#include "transport/address.hpp"
#include "wire/frame.hpp"

namespace vac::agent {
namespace {

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

}  // namespace

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
  const LimitsConfig& limits = config.limits;
  if (limits.calls_in_flight == 0 || limits.calls_in_flight > wire::kMaxCallsInFlight) {
    return Error{Errc::out_of_range, concat("limits: calls_in_flight is ", limits.calls_in_flight,
                                            ", must be 1 to ", wire::kMaxCallsInFlight)};
  }
  if (limits.frame < kLeastFrameLimit) {
    return Error{Errc::out_of_range, concat("limits: frame is ", limits.frame,
                                            " bytes, must be at least ", kLeastFrameLimit)};
  }
  if (limits.memory < kLeastFrameLimit) {
    return Error{Errc::out_of_range, concat("limits: memory is ", limits.memory,
                                            " bytes, must be at least ", kLeastFrameLimit)};
  }
  return {};
}

std::string nearest_name(std::string_view word, std::span<const std::string_view> known) {
  return nearest(word, known);
}

Result<std::uint64_t> parse_bytes(std::string_view text) { return parse_size(text); }

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
