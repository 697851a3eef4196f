// SPDX-License-Identifier: Apache-2.0
// What a plugin says of its results is checked before anybody believes it.
#pragma once

#include <vac/plugin.h>

#include <cstdint>
#include <span>

#include "core/call_context.hpp"

namespace vac::core {

/// What a plugin asks vac_host.output for.
struct OutputRequest {
  std::uint32_t arg, child;
  std::uint64_t bytes;
  std::uint8_t type, rank;
  const std::int64_t* dims;
};

/// Memory for an output that the operation has, of a size that fits its shape. nullptr: no memory,
/// or a mistake of the plugin's; then the call fails, whatever the plugin returns.
void* give_output(vac_call& call, CallContext& context, const OutputRequest& wanted) noexcept;

/// Compares the records of a call that succeeded with what they were: the plugin may have written
/// the values of scalar outputs, and sizes no larger than the room there was. Returns the call's
/// code; `before` is put back where the plugin changed something else.
int check_results(vac_call& call, CallContext& context, std::span<const vac_arg> before) noexcept;

/// Fails the call because of what its plugin did. Returns the code.
int blame_plugin(CallContext& context, int code, const char* what) noexcept;

}  // namespace vac::core
