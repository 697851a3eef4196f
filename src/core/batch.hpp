// SPDX-License-Identifier: Apache-2.0
// Several calls in one submit.
#pragma once

#include <vac/plugin.h>

#include <array>
#include <cstddef>
#include <cstdint>

namespace vac::core {

struct Attachment;
struct CallContext;
class Plugin;
class Session;

/// Which calls may go into one submit: those of equal groups. A value.
struct BatchGroup {
  static constexpr std::size_t kMostResources = 16;

  const Plugin* plugin = nullptr;  ///< nullptr: the call runs alone
  const void* tenant =
      nullptr;  ///< the caller's to set: calls of two tenants are never put together
  std::uint32_t op = 0;
  std::uint32_t most = 1;     ///< calls in a batch
  std::int64_t delay_ns = 0;  ///< how long a free slot may wait for more of them
  std::uint64_t key = 0;      ///< the plugin's
  std::array<const Attachment*, kMostResources> resources{};

  explicit operator bool() const noexcept { return plugin != nullptr; }
  bool operator==(const BatchGroup&) const = default;
};

/// One call of a batch, as Session::dispatch takes it.
struct BatchCall {
  Session* session;
  vac_call* call;
  CallContext* context;
  int code = VAC_OK;  ///< set by dispatch_batch()
};

}  // namespace vac::core
