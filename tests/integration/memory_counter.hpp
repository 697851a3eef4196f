// SPDX-License-Identifier: Apache-2.0
// Counts what a process asks of its memory allocator and of the system. memory_counter.cpp
// interposes the functions of libc: linked into a test program it counts there, preloaded into
// another program (MemoryCounter.so) it counts in that one, in a file that the test reads.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace vac::test {

/// Lies in memory that processes may share. Grows only.
struct MemoryCounter {
  std::atomic<std::uint64_t> allocations{0};  ///< malloc and its relatives
  std::atomic<std::uint64_t> mappings{0};     ///< mmap, munmap, mremap, madvise
};

/// Of this process.
MemoryCounter& memory_counter() noexcept;

/// Names the file that a program counts in when the counter is preloaded into it.
inline constexpr const char* kMemoryCounterFile = "VAC_MEMORY_COUNTER";

}  // namespace vac::test
