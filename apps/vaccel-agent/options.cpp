// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "agent/agent.hpp"
#include "config_file.hpp"

namespace vac::agent {
namespace {

constexpr const char* kFooter =
    "Without --listen and [[listen]] the agent listens on unix://$XDG_RUNTIME_DIR/vaccel.sock, "
    "for\n"
    "root unix:///run/vaccel.sock, and serves its own user alone. docs/agent.md tells the rest.";

void describe(CLI::App& app, Options& options) {
  app.add_option("--listen", options.listen,
                 "Address to listen on, such as unix:///run/vaccel.sock")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  app.add_option(
         "--plugin", options.plugins,
         "Plugin to load, in order of choice; several with commas. Without it VAC_PLUGINS, or "
         "all that are installed")
      ->type_name("NAME")
      ->delimiter(',')
      ->allow_extra_args(false);
  app.add_option("--config", options.config_file, "Configuration file")->type_name("FILE");
  app.add_option("--models", options.models, "Folder of the models that clients open by name")
      ->type_name("DIR");
  app.add_option("--log-level", options.log_level,
                 "error, warning, info or debug; without it VAC_LOG_LEVEL, or info")
      ->type_name("LEVEL");
  app.add_option("--ready-fd", options.ready_fd, "Descriptor to write 'ready' to once it listens")
      ->type_name("N");
  app.add_flag("--check-config", options.check_config, "Check options and configuration, and end");
}

}  // namespace

ParsedOptions parse_options(int argc, const char* const* argv) {
  CLI::App app{"Serves vAccel's plugins to clients in other processes and virtual machines",
               "vaccel-agent"};
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("vaccel-agent ") + version());
  Options options;
  describe(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    app.exit(help_or_version);
    return {std::nullopt, ExitStatus::success};
  } catch (const CLI::ParseError& error) {
    std::fprintf(stderr, "vaccel-agent: %s: see vaccel-agent --help\n", error.what());
    return {std::nullopt, ExitStatus::wrong_use};
  }
  return {std::move(options), ExitStatus::success};
}

Result<AgentConfig> make_config(const Options& options) {
  AgentConfig config;
  if (!options.config_file.empty()) {
    VAC_TRY(config, read_config_file(options.config_file));
  }
  if (!options.listen.empty()) {
    const std::vector<ListenerConfig> configured = std::exchange(config.listeners, {});
    for (const std::string& address : options.listen) {
      const auto found = std::ranges::find(configured, address, &ListenerConfig::address);
      config.listeners.push_back(found == configured.end() ? ListenerConfig{address, {}, {}, {}}
                                                           : *found);
    }
  }
  if (!options.plugins.empty()) config.plugins = options.plugins;
  if (!options.models.empty()) config.models_directory = options.models;
  if (!config.models_directory.empty()) {
    std::error_code failure;
    if (!std::filesystem::is_directory(config.models_directory, failure)) {
      return Error{Errc::not_found, "models: '" + config.models_directory + "' is no directory"};
    }
    // Plugins and messages get whole paths.
    config.models_directory =
        std::filesystem::absolute(config.models_directory, failure).lexically_normal().string();
  }
  VAC_CHECK(validate(config));
  return config;
}

}  // namespace vac::agent
