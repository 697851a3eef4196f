// SPDX-License-Identifier: Apache-2.0
// vaccel doctor: whether an address works, and if not, which step fails and what to do.
#pragma once

#include <string>

#include "command.hpp"
#include "doctor_findings.hpp"

namespace vac::cli {

void add_doctor_command(CLI::App& app, ExitStatus& status);

/// Examines an address; empty means VAC_ADDRESS, else local:.
Findings examine(const std::string& given);

}  // namespace vac::cli
