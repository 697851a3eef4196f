// SPDX-License-Identifier: Apache-2.0
#include "base/malloc_policy.hpp"

#include <malloc.h>
#include <unistd.h>

#include <string_view>

namespace vac {
namespace {

bool environment_decides() noexcept {
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string_view text(*variable);
    if (text.starts_with("MALLOC_") || text.starts_with("GLIBC_TUNABLES=")) return true;
  }
  return false;
}

}  // namespace

void keep_freed_memory() noexcept {
#ifdef __GLIBC__
  constexpr int kMiB = 1 << 20;
  if (environment_decides()) return;
  // What a thread's own arena has free goes back to the system whatever the thresholds say: torch's
  // activations cost 50 page faults a run there.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_MMAP_THRESHOLD, 32 * kMiB);  // the largest that glibc takes
  ::mallopt(M_TRIM_THRESHOLD, 1024 * kMiB);
  ::mallopt(M_TOP_PAD, 16 * kMiB);
#endif
}

}  // namespace vac
