// SPDX-License-Identifier: Apache-2.0
// The operations that the agent answers itself (ids 1 to 31; docs/protocol.md).
#pragma once

#include "agent/call_task.hpp"

namespace vac::agent {

/// Whether a control operation is done in no time, so that its reader runs it at once.
bool control_is_quick(const Op& op) noexcept;

/// Runs one; as Session::dispatch: the code, and on failure a text in task.context.
int run_control(Connection& connection, CallTask& task) noexcept;

}  // namespace vac::agent
