// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "text_table.hpp"

namespace vac::cli {
namespace {

/// "vaccel run", or "vaccel" of no command.
std::string called(std::string_view command) {
  return command.empty() ? "vaccel" : "vaccel " + std::string(command);
}

}  // namespace

void complain(std::string_view command, std::string_view text) {
  show_progress("");
  const std::string line = called(command) + ": " + printable(text) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

ExitStatus report(std::string_view command, const Error& error) {
  complain(command, error.message());
  return ExitStatus::failed;
}

ExitStatus report_wrong_use(std::string_view command, std::string_view text) {
  complain(command, std::string(text) + ": see " + called(command) + " --help");
  return ExitStatus::wrong_use;
}

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& doc,
                      std::function<ExitStatus()> run, ExitStatus& status) {
  CLI::App* command = app.add_subcommand(name, doc);
  command->set_version_flag("--version", app.version());
  command->final_callback([run = std::move(run), &status] { status = run(); });
  return command;
}

void add_at_option(CLI::App& command, std::string& address) {
  command
      .add_option("--at", address,
                  "Where to run: local: or an agent, unix:///run/vaccel.sock (default: "
                  "VAC_ADDRESS, else local:)")
      ->type_name("ADDRESS");
}

void add_json_option(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "Print JSON");
}

std::string effective_address(const std::string& address) {
  if (!address.empty()) return address;
  const char* from_environment = std::getenv("VAC_ADDRESS");
  const bool set = from_environment != nullptr && *from_environment != '\0';
  return set ? from_environment : "local:";
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

void show_progress(std::string_view text) {
  static const bool kTerminal = ::isatty(STDERR_FILENO) == 1;
  static bool shown = false;
  if (!kTerminal || (text.empty() && !shown)) return;
  shown = !text.empty();
  const std::string line = "\r\x1b[K" + std::string(text);
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

}  // namespace vac::cli
