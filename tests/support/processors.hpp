// SPDX-License-Identifier: Apache-2.0
// Where a test's threads may run.
#pragma once

#include <sched.h>

#include <vector>

namespace vac::test {

/// The processors that the calling thread may run on, in ascending order.
inline std::vector<int> processors() {
  cpu_set_t allowed;
  std::vector<int> numbers;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return numbers;
  for (int number = 0; number < CPU_SETSIZE; ++number) {
    if (CPU_ISSET(number, &allowed)) numbers.push_back(number);
  }
  return numbers;
}

}  // namespace vac::test
