// SPDX-License-Identifier: Apache-2.0
// What a process holds, as the system sees it.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>

namespace vac::test {

struct ProcessState {
  std::size_t descriptors = 0;
  std::size_t mappings = 0;
  std::size_t threads = 0;
  std::uint64_t resident_bytes = 0;  ///< exact, unlike VmRSS
  std::uint64_t virtual_bytes = 0;
};

/// Throws where there is no such process.
ProcessState state_of(pid_t pid);
/// Sets the soft limit of a RLIMIT_... of a process; throws where that fails.
void limit_process(pid_t pid, int resource, std::uint64_t value);
/// What the machine could give to programs without swapping.
std::uint64_t available_memory();

/// Looks again and again until `done` says true, at most `patience_s` seconds. False: it never did.
bool eventually(const std::function<bool()>& done, int patience_s = 120);

std::ostream& operator<<(std::ostream& out, const ProcessState& state);

}  // namespace vac::test
