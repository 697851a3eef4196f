// SPDX-License-Identifier: Apache-2.0
// vaccel plugin check: the conformance kit for who writes a plugin.
#pragma once

#include "command.hpp"

namespace vac::cli {

/// Adds `plugin` with its one command, `check`.
void add_plugin_command(CLI::App& app, ExitStatus& status);

}  // namespace vac::cli
