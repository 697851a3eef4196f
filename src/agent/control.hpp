// SPDX-License-Identifier: Apache-2.0
// The operations that the agent answers itself (ids 1 to 31; docs/protocol.md).
#pragma once

#include <vac/result.hpp>

#include "agent/call_task.hpp"

namespace vac::agent {

/// Whether a control operation is done in no time, so that its reader runs it at once.
bool control_is_quick(const Op& op) noexcept;

/// What happens to a call when it is read, in the order of the calls: an id that is dropped is free
/// at once, though removing half an upload's files takes a while and is left to the call's run.
Status bind_control(Connection& connection, CallTask& task);

/// Runs one; as Session::dispatch: the code, and on failure a text in task.context.
int run_control(Connection& connection, CallTask& task) noexcept;

}  // namespace vac::agent
