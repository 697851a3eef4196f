// SPDX-License-Identifier: Apache-2.0
// The program `vaccel`: one command each, over the public interface of libvac.
#include <fcntl.h>
#include <unistd.h>
#include <vac/vac.hpp>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "bench_command.hpp"
#include "command.hpp"
#include "doctor_command.hpp"
#include "list_command.hpp"
#include "plugin_check_command.hpp"
#include "run_command.hpp"

namespace {

using vac::cli::ExitStatus;

/// A first word that is no command; else nullptr. The parser would only say that a command is
/// missing.
const char* unknown_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return nullptr;
  const auto of_that_name = [&](const CLI::App* command) { return command->check_name(argv[1]); };
  return app.get_subcommands(of_that_name).empty() ? argv[1] : nullptr;
}

/// Puts something in the place of a standard stream that was closed: else the first file or socket
/// that is opened gets its number, and what is printed goes there.
void fill_closed_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    // Cannot be written to, so that lost output is noticed.
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", O_RDONLY);
  }
}

int wrong_use(std::string_view command, std::string_view text) {
  return static_cast<int>(vac::cli::report_wrong_use(command, text));
}

/// Reads the command line and does what it says.
int run(int argc, char** argv) {
  CLI::App app{"vAccel: accelerator calls, local or through an agent", "vaccel"};
  app.set_version_flag("--version", std::string("vaccel ") + vac_version());
  app.require_subcommand(1);
  app.failure_message([](const CLI::App*, const CLI::Error&) { return std::string(); });
  ExitStatus status = ExitStatus::success;
  vac::cli::add_run_command(app, status);
  vac::cli::add_list_command(app, status);
  vac::cli::add_doctor_command(app, status);
  vac::cli::add_bench_command(app, status);
  vac::cli::add_plugin_command(app, status);
  if (const char* word = unknown_command(app, argc, argv)) {
    return wrong_use("", "there is no command '" + std::string(word) + "'");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    const auto commands = app.get_subcommands();
    if (!commands.empty()) return wrong_use(commands.front()->get_name(), error.what());
    // CLI11 misses a command before it looks at the option that is none.
    const auto rest = app.remaining();
    return wrong_use("",
                     rest.empty() ? error.what() : "'" + rest.front() + "' is no option of vaccel");
  }
  return static_cast<int>(status);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    fill_closed_streams();
    int status = run(argc, argv);
    // Both: a flush that failed in between has thrown its text away, and the last one then
    // succeeds.
    const bool flushed = std::fflush(stdout) == 0;
    if (!flushed || std::ferror(stdout) != 0) {
      vac::cli::complain("", "cannot write the output: is the disk full, or the reader gone?");
      if (status == 0) status = static_cast<int>(ExitStatus::failed);
    }
    return status;
  } catch (const std::exception& error) {
    vac::cli::complain("", error.what());
    return static_cast<int>(ExitStatus::failed);
  }
}
