// SPDX-License-Identifier: Apache-2.0
// For the program and the plugin alike, which are two processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>

namespace vac::test {

/// Whether an address of this process is memory that an agent shares.
inline bool is_shared(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::size_t used = 0;
    const std::uintptr_t begin = std::stoull(line, &used, 16);
    const std::uintptr_t end = std::stoull(line.substr(used + 1), nullptr, 16);
    if (wanted >= begin && wanted < end) return line.find("vaccel-region") != std::string::npos;
  }
  return false;
}

}  // namespace vac::test
