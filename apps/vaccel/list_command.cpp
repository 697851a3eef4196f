// SPDX-License-Identifier: Apache-2.0
#include "list_command.hpp"

#include <vac/vac.hpp>

#include <map>
#include <memory>

#include "json_output.hpp"
#include "plugin_version.hpp"
#include "text_table.hpp"

namespace vac::cli {
namespace {

constexpr const char* kCommand = "list";

struct Options {
  std::string part = "plugins";
  std::string address;
  bool json = false;
};

std::string joined(const Json& object, const char* key) {
  std::string text;
  const auto member = object.find(key);
  if (member == object.end() || !member->is_array()) return text;
  for (const Json& element : *member) {
    if (!element.is_string()) continue;
    text += (text.empty() ? "" : " ") + element.get<std::string>();
  }
  return text;
}

std::string plugin_table(const Json& plugins) {
  TextTable table;
  table.add({"PLUGIN", "VERSION", "FORMATS", "OPERATIONS"});
  for (const Json& plugin : plugins) {
    const std::string formats = joined(plugin, "formats");
    table.add({text_of(plugin, "name"), plugin_version(plugin), formats.empty() ? "-" : formats,
               joined(plugin, "operations")});
  }
  return table.text();
}

/// Which plugins offer each operation, in order of choice.
Json operations_of(const Json& plugins) {
  std::map<std::string, Json> by_name;
  for (const Json& plugin : plugins) {
    const auto operations = plugin.find("operations");
    if (operations == plugin.end() || !operations->is_array()) continue;
    for (const Json& operation : *operations) {
      if (operation.is_string())
        by_name[operation.get<std::string>()].push_back(text_of(plugin, "name"));
    }
  }
  Json list = Json::array();
  for (const auto& [name, offering] : by_name)
    list.push_back({{"name", name}, {"plugins", offering}});
  return list;
}

std::string operation_table(const Json& operations) {
  TextTable table;
  table.add({"OPERATION", "PLUGINS"});
  for (const Json& operation : operations) {
    table.add({text_of(operation, "name"), joined(operation, "plugins")});
  }
  return table.text();
}

std::string model_table(const Json& models) {
  std::string text;
  for (const Json& model : models) {
    text += model.is_string() ? model.get<std::string>() : text_of(model, "name");
    text += '\n';
  }
  return text;
}

ExitStatus run(const Options& options) {
  const bool agent_only = options.part == "models" || options.part == "sessions";
  if (agent_only && effective_address(options.address) == "local:") {
    return report_wrong_use(kCommand, options.part + " are an agent's: name it with --at ADDRESS");
  }
  const Result<Session> session = Session::open(options.address, {.name = "vaccel list"});
  if (!session) return report(kCommand, session.error());
  const Result<std::string> description = session->describe();
  if (!description) return report(kCommand, description.error());
  const Result<std::string> text = list_text(*description, options.part, options.json);
  if (!text) return report(kCommand, text.error());
  print(*text);
  if (text->empty() && options.part == "models") {
    // Not to stdout: it lists names.
    complain(kCommand, "no models: start the agent with --models DIR, with models in it");
  }
  return ExitStatus::success;
}

}  // namespace

Result<std::string> list_text(std::string_view description, std::string_view part, bool json) {
  const Json whole = Json::parse(description, nullptr, false);
  const std::string key = part == "ops" ? "plugins" : std::string(part);
  if (!whole.is_object() || !whole.contains(key)) {
    return Error{Errc::not_supported, "the session does not tell its " + std::string(part)};
  }
  const Json found = part == "ops" ? operations_of(whole[key]) : whole[key];
  if (json) return json_text({{std::string(part), found}});
  if (part == "plugins") return plugin_table(found);
  if (part == "ops") return operation_table(found);
  if (part == "models") return model_table(found);
  if (found == 1) return std::string("The agent has 1 session open, this command's own.\n");
  return "The agent has " + found.dump() + " sessions open, this command's own among them.\n";
}

void add_list_command(CLI::App& app, ExitStatus& status) {
  const auto options = std::make_shared<Options>();
  CLI::App* command = add_command(
      app, kCommand, "List plugins, operations, an agent's models or its sessions",
      [options] { return run(*options); }, status);
  command->add_option("what", options->part, "What to list (default: plugins)")
      ->type_name("plugins|ops|models|sessions")
      ->check(CLI::IsMember({"plugins", "ops", "models", "sessions"}).description(""));
  add_at_option(*command, options->address);
  add_json_option(*command, options->json);
}

}  // namespace vac::cli
