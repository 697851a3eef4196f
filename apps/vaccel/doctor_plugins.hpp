// SPDX-License-Identifier: Apache-2.0
// Which plugins are installed here, which of them load, and why others do not.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "doctor_findings.hpp"

namespace vac::cli {

/// Names of the plugins in the folders: each once, sorted.
std::vector<std::string> plugin_names(const std::vector<std::filesystem::path>& folders);

/// Adds a finding for each installed plugin, and one for the choice in VAC_PLUGINS. Each is loaded
/// by a process of its own: one that crashes while it loads takes nothing along. To be called
/// before this process has opened a session.
void check_plugins(Findings& findings);

/// Adds a finding for each plugin that `description`, as vac_session_describe gives it, tells of.
void list_plugins(const std::string& description, Findings& findings);

}  // namespace vac::cli
