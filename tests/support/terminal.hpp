// SPDX-License-Identifier: Apache-2.0
// A terminal, for what programs write to people alone.
#pragma once

#include <string>

#include "base/fd.hpp"

namespace vac::test {

/// What is written to the device path() is a terminal's output, and text() gives it as it was
/// written. The constructor throws where the system has no terminal to give. Confined to one
/// thread.
class Terminal {
 public:
  Terminal();

  /// "/dev/pts/3": for a command line, `program 2>/dev/pts/3`, or open() with O_NOCTTY.
  const std::string& path() const noexcept { return path_; }
  /// All that was written; waits until nobody has the device open. To be called once.
  std::string text();

 private:
  std::string path_;
  Fd reader_, device_;  // device_: without it a reader could find no writer before the first comes
};

}  // namespace vac::test
