// SPDX-License-Identifier: Apache-2.0
// A unix socket's file: whose it is, and whether we may use it.
#pragma once

#include <string>

#include "doctor_findings.hpp"

namespace vac::cli {

/// Adds the finding "socket". False: there is no use in going on.
bool check_socket(const std::string& path, Findings& findings);

/// "srw-rw----" for a st_mode.
std::string mode_text(unsigned mode);

}  // namespace vac::cli
