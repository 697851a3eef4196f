// SPDX-License-Identifier: Apache-2.0
#include "memory_policy.hpp"

#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

namespace vac::agent {
namespace {

// The largest that glibc takes: blocks below it come from the heap and not from a mapping each.
constexpr int kMmapThreshold = 32 << 20;
// Free memory at the heap's end that is kept.
constexpr int kTrimThreshold = 1 << 30;
constexpr int kTopPad = 16 << 20;

bool environment_decides() {
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::strncmp(*variable, "MALLOC_", 7) == 0 ||
        std::strncmp(*variable, "GLIBC_TUNABLES=", 15) == 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

void keep_freed_memory() {
  if (environment_decides()) return;
  ::mallopt(M_MMAP_THRESHOLD, kMmapThreshold);
  ::mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
  ::mallopt(M_TOP_PAD, kTopPad);
}

}  // namespace vac::agent
