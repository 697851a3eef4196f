// SPDX-License-Identifier: Apache-2.0
// The agent's configuration file (docs/agent.md).
#pragma once

#include <vac/result.hpp>

#include <string>
#include <string_view>

#include "agent/config.hpp"

namespace vac::agent {

/// Errors of what the file says begin with "FILE:LINE:COLUMN: "; an unknown key is answered with
/// the nearest valid one. An empty file is the defaults.
Result<AgentConfig> read_config_file(const std::string& path);
/// The same of a text; `name` stands for the file.
Result<AgentConfig> parse_config(std::string_view text, const std::string& name);

}  // namespace vac::agent
