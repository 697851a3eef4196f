// SPDX-License-Identifier: Apache-2.0
// What every command of `vaccel` has in common.
#pragma once

#include <vac/result.hpp>

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <string_view>

namespace vac::cli {

enum class ExitStatus : int { success = 0, failed = 1, wrong_use = 2 };

/// Says on stderr, in one line, what a command ("" for the program) has to complain of: "vaccel
/// run: ...". Takes progress away before, and shows control characters as '?'.
void complain(std::string_view command, std::string_view text);
/// Says so why a command failed: "vaccel run: ... (VAC_EINVAL)".
ExitStatus report(std::string_view command, const Error& error);
/// The same for a way of calling that cannot work; names the help.
ExitStatus report_wrong_use(std::string_view command, std::string_view text);

/// Makes a subcommand; `run` is called after its options are read, and `status` gets what it
/// returns.
CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& doc,
                      std::function<ExitStatus()> run, ExitStatus& status);

/// An option whose text `parse`, which returns a Result, turns into `destination`; what it refuses
/// is wrong use. `destination` outlives the parsing.
template <class Value, class Parse>
CLI::Option* add_parsed_option(CLI::App& command, const char* name, Value& destination, Parse parse,
                               const char* doc) {
  return command.add_option_function<std::string>(
      name,
      [name, &destination, parse](const std::string& text) {
        auto value = parse(text);
        if (!value) throw CLI::ValidationError(name, value.error().text());
        destination = *value;
      },
      doc);
}

/// The options that most commands have.
void add_at_option(CLI::App& command, std::string& address);
void add_json_option(CLI::App& command, bool& json);

/// What an address that was not given means: VAC_ADDRESS, else local:.
std::string effective_address(const std::string& address);

/// Text to stdout as it is.
void print(std::string_view text);
/// A line for a person who waits, replaced by the next one; nothing where stderr is no terminal. An
/// empty text takes the line away. For the main thread.
void show_progress(std::string_view text);

}  // namespace vac::cli
