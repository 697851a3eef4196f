// SPDX-License-Identifier: Apache-2.0
// Runs a command line and keeps what it prints.
#pragma once

#include <string>

namespace vac::test {

struct ShellResult {
  int status = -1;     ///< exit status, or 128 + signal
  std::string output;  ///< stdout and stderr, in the order they came
};

/// Runs `command` by /bin/sh and waits for its end.
ShellResult shell(const std::string& command);

}  // namespace vac::test
