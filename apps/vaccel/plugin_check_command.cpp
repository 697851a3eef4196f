// SPDX-License-Identifier: Apache-2.0
#include "plugin_check_command.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "json_output.hpp"
#include "plugin_check/plugin_check.hpp"
#include "plugin_check_options.hpp"
#include "text_table.hpp"

namespace vac::cli {
namespace {

using plugin_check::Outcome;
using plugin_check::Verdict;

constexpr const char* kCommand = "plugin check";
constexpr std::array<const char*, 5> kVerdicts = {"ok", "note", "warning", "skipped", "failed"};

const char* word(Verdict verdict) { return kVerdicts[static_cast<std::size_t>(verdict)]; }

struct Options {
  plugin_check::CheckOptions check;
  std::string resource;
  std::uint32_t timeout_s = 10;
  bool json = false;
};

/// Prints each outcome as it comes, or keeps it for the JSON at the end.
class Report {
 public:
  explicit Report(bool json) : json_(json) {}

  void add(const Outcome& outcome) {
    ++counts_[static_cast<std::size_t>(outcome.verdict)];
    if (json_) {
      checks_.push_back(
          {{"check", outcome.check}, {"verdict", word(outcome.verdict)}, {"text", outcome.text}});
      return;
    }
    std::string line = word(outcome.verdict);
    line.resize(9, ' ');
    line += outcome.check;
    if (line.size() < kTextColumn) line.resize(kTextColumn, ' ');
    print(line + "  " + printable(outcome.text) + "\n");
  }

  void finish(const std::string& file, bool ok) {
    if (json_)
      return print(json_text({{"ok", ok}, {"plugin", file}, {"checks", std::move(checks_)}}));
    std::string counts;
    for (const Verdict verdict :
         {Verdict::failed, Verdict::warning, Verdict::skipped, Verdict::ok}) {
      const std::size_t count = counts_[static_cast<std::size_t>(verdict)];
      if (count == 0) continue;
      counts += (counts.empty() ? "" : ", ") + std::to_string(count) + " " + word(verdict);
    }
    print(printable(file) + ": " + counts + "\n");
  }

 private:
  static constexpr std::size_t kTextColumn = 42;
  const bool json_;
  Json checks_ = Json::array();
  std::array<std::size_t, kVerdicts.size()> counts_{};
};

ExitStatus run(Options options) {
  if (!options.resource.empty()) {
    auto resource = parse_resource(options.resource);
    if (!resource) return report_wrong_use(kCommand, resource.error().text());
    options.check.resource_file = resource->file;
    options.check.resource_options_json = resource->options_json;
  }
  options.check.patience = std::chrono::seconds(options.timeout_s);
  Report lines(options.json);
  const Result<bool> ok = plugin_check::check_plugin(
      options.check, [&](const Outcome& outcome) { lines.add(outcome); });
  if (!ok) return report_wrong_use(kCommand, ok.error().text());
  lines.finish(options.check.file, *ok);
  return *ok ? ExitStatus::success : ExitStatus::failed;
}

void add_options(CLI::App& command, Options& options) {
  plugin_check::CheckOptions& check = options.check;
  command.add_option("file", check.file, "The plugin: ./mine.so")->required()->type_name("FILE");
  command.add_option("--op", check.op, "Check the calls of this operation only")->type_name("NAME");
  command.add_option("--config", check.config_json, "What the plugin is opened with")
      ->type_name("JSON");
  command
      .add_option("--resource", options.resource,
                  "A model or other resource for the operations that take one, with options for it "
                  "(default: random bytes)")
      ->type_name("FILE[,OPTION=VALUE]");
  command
      .add_option("--at", check.address,
                  "An agent for a plugin that serves other addresses than local:")
      ->type_name("ADDRESS");
  command.add_option("--seed", check.seed, "Makes the random calls")->capture_default_str();
  command.add_option("--calls", check.calls, "Random calls of an operation, at most 10000")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command
      .add_option("--timeout-s", options.timeout_s,
                  "How long anything may take that is asked of the plugin")
      ->check(CLI::Range(1, 3600))
      ->type_name("SECONDS")
      ->capture_default_str();
  add_json_option(command, options.json);
}

}  // namespace

void add_plugin_command(CLI::App& app, ExitStatus& status) {
  CLI::App* plugin = app.add_subcommand("plugin", "For who writes a plugin");
  plugin->set_version_flag("--version", app.version());
  plugin->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      *plugin, "check", "Hold a plugin to all that <vac/plugin.h> asks of it",
      [options] { return run(*options); }, status);
  add_options(*command, *options);
}

}  // namespace vac::cli
