// SPDX-License-Identifier: Apache-2.0
// A call as a plugin's handler sees it.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>

namespace vac {
inline namespace plugin_api {

/// The host's table, for what is not about one call.
class Host {
 public:
  explicit Host(const vac_host& host) noexcept : host_(&host) {}

  /// level: VAC_LOG_...; any thread.
  void log(int level, const char* text) const noexcept { host_->log(host_->host, level, text); }
  const vac_host& raw() const noexcept { return *host_; }

 private:
  const vac_host* host_;
};

/// One call, as long as its handler runs. Two pointers: cheap to make. Any thread of the handler
/// may use it.
class Call {
 public:
  Call(vac_call& call, const vac_host& host) noexcept : call_(&call), host_(&host) {}

  std::uint32_t op() const noexcept { return call_->op; }
  /// For long loops: the caller has given up, and what comes out is thrown away.
  bool cancelled() const noexcept { return host_->cancelled(call_) != 0; }
  void progress(std::uint64_t done, std::uint64_t total) const noexcept {
    host_->progress(call_, done, total);
  }
  /// When the caller stops waiting; nothing where he waits as long as it takes.
  std::optional<std::chrono::steady_clock::time_point> deadline() const noexcept {
    if (call_->deadline_ns == 0) return std::nullopt;
    return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(call_->deadline_ns));
  }
  /// Which of the plugin's slots the call holds; VAC_NO_SLOT where concurrency is unlimited.
  std::uint32_t slot() const noexcept { return call_->slot; }
  /// What the hook of sessions() made for the caller's session; S must be its type.
  template <class S>
  S& session() const noexcept {
    return *static_cast<S*>(call_->session_state);
  }

  /// The records as they are, children of lists included, for handlers that serve any operation.
  std::span<vac_arg> records() const noexcept { return {call_->args, call_->arg_count}; }
  vac_call& raw() const noexcept { return *call_; }
  const vac_host& host() const noexcept { return *host_; }

 private:
  vac_call* call_;
  const vac_host* host_;
};

}  // namespace plugin_api
}  // namespace vac
