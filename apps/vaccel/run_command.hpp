// SPDX-License-Identifier: Apache-2.0
// vaccel run: classifies photos with a model, here or at an agent.
#pragma once

#include "command.hpp"

namespace vac::cli {

void add_run_command(CLI::App& app, ExitStatus& status);

}  // namespace vac::cli
