// SPDX-License-Identifier: Apache-2.0
// Decoding, running and answering one call: the same for one that runs where it was read and one
// that was queued.
#pragma once

#include <vac/result.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#include "agent/call_task.hpp"
#include "wire/frame.hpp"

namespace vac::agent {

/// When inputs are copied out of regions.
enum class When : std::uint8_t { now, as_it_runs };

/// Makes task.call from the frame, which stays in place until the reply has been sent, and finds
/// its resources. task.op, request and received_ns are set.
Status bind_call(Connection& connection, CallTask& task, const wire::FrameHeader& header,
                 std::span<std::byte> frame, When when);

/// Runs a bound call to its end and makes task.reply. `started_ns`: when it got its thread.
void run_call(Connection& connection, CallTask& task, std::int64_t started_ns);

/// The same for calls of one group: each ends by itself, whatever becomes of the others.
void run_batch(std::span<const TaskPtr> tasks, std::int64_t started_ns);

/// Makes task.reply a failure.
void fail_call(const Connection& connection, CallTask& task, int code, std::string_view text);
/// The reply that there is no memory for the call; without memory for that the connection ends.
void fail_without_memory(Connection& connection, CallTask& task) noexcept;

}  // namespace vac::agent
