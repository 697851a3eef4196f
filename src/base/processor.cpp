// SPDX-License-Identifier: Apache-2.0
#include "base/processor.hpp"

#include <sched.h>

namespace vac {

int current_processor() noexcept { return ::sched_getcpu(); }

bool move_to_processor(int number) noexcept {
  cpu_set_t allowed;
  if (number < 0 || number >= CPU_SETSIZE ||
      ::sched_getaffinity(0, sizeof allowed, &allowed) != 0 || !CPU_ISSET(number, &allowed)) {
    return false;
  }
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(number, &one);
  const bool moved = ::sched_setaffinity(0, sizeof one, &one) == 0;
  return ::sched_setaffinity(0, sizeof allowed, &allowed) == 0 && moved;
}

}  // namespace vac
