// SPDX-License-Identifier: Apache-2.0
// The command line of vaccel-agent.
#pragma once

#include <vac/result.hpp>

#include <optional>
#include <string>
#include <vector>

#include "agent/config.hpp"

namespace vac::agent {

struct Options {
  std::vector<std::string> listen;
  std::vector<std::string> plugins;
  std::string config_file;
  std::string models;
  std::string log_level;
  bool check_config = false;
  int ready_fd = -1;
};

/// How the program ends: 0, 1 (it failed), 2 (wrong use).
enum class ExitStatus : int { success = 0, failed = 1, wrong_use = 2 };

/// The options, or how to end at once: after --help or --version, or after having said on stderr
/// what is wrong.
struct ParsedOptions {
  std::optional<Options> options;
  ExitStatus status = ExitStatus::success;
};
ParsedOptions parse_options(int argc, const char* const* argv);

/// The file, if one is named, with what the command line says in place of what the file says:
/// addresses replace those of [[listen]] (what the file says of such an address holds), a models
/// folder [models], plugins the installed ones.
Result<AgentConfig> make_config(const Options& options);

}  // namespace vac::agent
