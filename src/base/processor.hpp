// SPDX-License-Identifier: Apache-2.0
// Where the calling thread runs.
#pragma once

namespace vac {

/// The number that the system gives to the processor that the calling thread is on; negative where
/// the system does not tell. It may be another one by the time it is looked at. Costs some
/// nanoseconds.
int current_processor() noexcept;

/// Moves the calling thread there. From then on the system may move it, within the same processors
/// as before. False: it may not run there, and stays.
bool move_to_processor(int number) noexcept;

}  // namespace vac
