// SPDX-License-Identifier: Apache-2.0
// vaccel list: what a session can do, here or at an agent.
#pragma once

#include <string>
#include <string_view>

#include "command.hpp"

namespace vac::cli {

void add_list_command(CLI::App& app, ExitStatus& status);

/// A part ("plugins", "ops", "models", "sessions") of what vac_session_describe says, as a table or
/// as JSON. VAC_ENOTSUP where it says nothing of that part, as a local session of models.
Result<std::string> list_text(std::string_view description, std::string_view part, bool json);

}  // namespace vac::cli
