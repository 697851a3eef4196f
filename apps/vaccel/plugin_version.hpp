// SPDX-License-Identifier: Apache-2.0
// A plugin's version as people are told it.
#pragma once

#include <string>

#include "json_output.hpp"

namespace vac::cli {

/// "1.13.1 (cpu, cuda)", of one of `plugins` in what vac_session_describe says: the framework's
/// version and devices where the plugin tells them, else its own version.
std::string plugin_version(const Json& plugin);

}  // namespace vac::cli
