// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <set>
#include <string_view>
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
         "all that are installed but noop, exec and mbench, which must be named")
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
  app.add_flag(
      "--check-config", options.check_config,
      "Check options, configuration, plugins and the places of sockets and files, and end");
}

std::string trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::string misuse_of_plugins(std::vector<std::string>& plugins) {
  std::set<std::string_view> names;
  for (std::string& name : plugins) {
    name = trimmed(name);
    if (name.empty()) return "--plugin has an empty name: give the names with single commas";
    if (std::filesystem::path(name).stem() == "remote") {
      return "--plugin remote: an agent of this version does not forward calls to another: leave "
             "it out";
    }
    if (!names.insert(name).second) return "--plugin names '" + name + "' twice: name it once";
  }
  return {};
}

bool is_writable(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

/// What is wrong with the options that are there; empty: nothing.
std::string misuse(const CLI::App& app, Options& options) {
  for (const auto& [name, value] :
       {std::pair("--config", &options.config_file), std::pair("--models", &options.models),
        std::pair("--log-level", &options.log_level)}) {
    if (app.count(name) != 0 && value->empty()) {
      return std::string(name) + " is empty: give it a value or leave it out";
    }
  }
  if (std::ranges::count(options.listen, "") != 0) {
    return "--listen is empty: give it an address or leave it out";
  }
  if (app.count("--ready-fd") != 0 && !is_writable(options.ready_fd)) {
    return "--ready-fd " + std::to_string(options.ready_fd) +
           " is no descriptor that is open for writing: open it before the agent is started";
  }
  return misuse_of_plugins(options.plugins);
}

ParsedOptions wrong_use(std::string_view why) {
  std::fprintf(stderr, "vaccel-agent: %.*s: see vaccel-agent --help\n",
               static_cast<int>(why.size()), why.data());
  return {std::nullopt, ExitStatus::wrong_use};
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
    return wrong_use(error.what());
  }
  if (const std::string why = misuse(app, options); !why.empty()) return wrong_use(why);
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
      const std::string place =
          options.models.empty() ? options.config_file + ": [models] directory" : "--models";
      return Error{Errc::not_found, place + ": '" + config.models_directory +
                                        "' is no directory: create it or name another"};
    }
    // Plugins and messages get whole paths.
    config.models_directory =
        std::filesystem::absolute(config.models_directory, failure).lexically_normal().string();
  }
  VAC_CHECK(validate(config));
  return config;
}

}  // namespace vac::agent
