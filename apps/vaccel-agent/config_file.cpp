// SPDX-License-Identifier: Apache-2.0
#include "config_file.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "table_reader.hpp"

namespace vac::agent {
namespace {

using nlohmann::json;

/// A value of [plugin.X] as its plugin gets it. Dates and times are for nobody.
Result<json> to_json(const toml::node& node, const std::string& file) {
  if (const auto* text = node.as_string()) return json(text->get());
  if (const auto* number = node.as_integer()) return json(number->get());
  if (const auto* number = node.as_floating_point()) return json(number->get());
  if (const auto* flag = node.as_boolean()) return json(flag->get());
  if (const toml::array* array = node.as_array()) {
    json items = json::array();
    for (const toml::node& item : *array) {
      VAC_TRY(json value, to_json(item, file));
      items.push_back(std::move(value));
    }
    return items;
  }
  if (const toml::table* table = node.as_table()) {
    json members = json::object();
    for (const auto& [key, value] : *table) {
      VAC_TRY(members[std::string(key.str())], to_json(value, file));
    }
    return members;
  }
  return config_error(file, node.source(), "a date or time is no setting of a plugin");
}

void read_shared_input(TableReader& reader, SharedInput& to) {
  std::string word = "copy";
  reader.text("shared_input", word);
  if (word == "in_place") {
    to = SharedInput::in_place;
  } else if (word != "copy") {
    reader.fail("shared_input", "is '" + printable_text(word) + "', must be copy or in_place");
  }
}

Status read_listeners(const std::vector<const toml::table*>& tables, const std::string& file,
                      AgentConfig& config) {
  for (const toml::table* table : tables) {
    TableReader reader(table, "[[listen]]", file);
    ListenerConfig listener;
    reader.require("address");
    reader.text("address", listener.address);
    reader.text("group", listener.group);
    reader.numbers("uids", listener.uids);
    reader.text("tenant", listener.tenant);
    read_shared_input(reader, listener.shared_input);
    VAC_CHECK(reader.finish());
    if (std::ranges::count(config.listeners, listener.address, &ListenerConfig::address) != 0) {
      reader.fail("address", "'" + listener.address + "' is given twice");
      return reader.finish();
    }
    AgentConfig alone;
    alone.listeners.push_back(listener);
    if (Status valid = validate(alone); !valid) {
      return config_error(file, table->source(), valid.error().text());
    }
    config.listeners.push_back(std::move(listener));
  }
  return {};
}

/// Those of [plugin.X] that are the agent's own, so that a mistake is told with its place.
Status check_own_settings(TableReader reader) {
  // How many slots there may be, the runtime says.
  constexpr auto kAnyNumber = std::numeric_limits<std::uint32_t>::max();
  const struct {
    std::string_view key;
    std::uint32_t least, most;
  } settings[] = {{"slots", 0, kAnyNumber}, {"max_batch", 1, 4096}, {"max_delay_us", 0, 1'000'000}};
  for (const auto& setting : settings) {
    std::uint32_t value = setting.least;
    reader.number(setting.key, value);
    if (value >= setting.least && value <= setting.most) continue;
    reader.fail(setting.key, "is " + std::to_string(value) + ", must be " +
                                 std::to_string(setting.least) + " to " +
                                 std::to_string(setting.most));
  }
  return reader.state();
}

Status read_plugins(const toml::table* plugins, const std::string& file, AgentConfig& config) {
  if (plugins == nullptr) return {};
  for (const auto& [key, node] : *plugins) {
    const std::string name(key.str());
    const toml::table* const settings = node.as_table();
    if (settings == nullptr) {
      return config_error(file, node.source(),
                          "'" + name + "' must be a table, [plugin." + name + "]");
    }
    // What asks for more protection than there is must not be taken for granted.
    if (const toml::node* isolation = settings->get("isolation")) {
      return config_error(file, isolation->source(),
                          "[plugin." + name +
                              "] isolation is not offered by this version: plugins "
                              "run in the agent's own process");
    }
    VAC_CHECK(check_own_settings(TableReader(settings, "[plugin." + name + "]", file)));
    VAC_TRY(const json object, to_json(*settings, file));
    config.plugin_configs[name] = object.dump();
  }
  return {};
}

Result<AgentConfig> read_tables(const toml::table& root, const std::string& file) {
  AgentConfig config;
  TableReader top(&root, "", file);
  const auto listeners = top.tables("listen");
  TableReader models(top.table("models"), "[models]", file);
  TableReader cache(top.table("cache"), "[cache]", file);
  const toml::table* const limits_table = top.table("limits");
  TableReader limits(limits_table, "[limits]", file);
  const toml::table* const plugins = top.table("plugin");
  VAC_CHECK(top.finish());

  VAC_CHECK(read_listeners(listeners, file, config));
  models.text("directory", config.models_directory);
  cache.text("directory", config.cache.directory);
  cache.bytes("size", config.cache.bytes);
  limits.bytes("memory", config.limits.memory);
  limits.bytes("frame", config.limits.frame);
  limits.bytes("regions", config.limits.regions);
  limits.number("calls_in_flight", config.limits.calls_in_flight);
  if (limits_table == nullptr || !limits_table->contains("frame")) {
    config.limits.frame = std::min(config.limits.frame, config.limits.memory);
  }
  if (const auto mistake = find_mistake(config.limits)) limits.fail(mistake->key, mistake->why);
  for (TableReader* reader : {&models, &cache, &limits}) VAC_CHECK(reader->finish());
  VAC_CHECK(read_plugins(plugins, file, config));
  if (Status valid = validate(config); !valid) {
    return Error{valid.error().code(), file + ": " + valid.error().text()};
  }
  return config;
}

Error cannot_read(const std::string& path, int number) {
  const std::string what =
      "cannot read the configuration '" + path + "': " + std::strerror(number) + ": ";
  switch (number) {
    case ENOENT:
    case ENOTDIR:
      return Error{Errc::not_found, what + "create it, or name another"};
    case EISDIR:
      return Error{Errc::is_directory, what + "name the file in it"};
    case EACCES:
    case EPERM:
      return Error{Errc::access_denied, what + "let the user that runs the agent read it"};
    default:
      return Error{Errc::failed, what + "name another file"};
  }
}

}  // namespace

Result<AgentConfig> parse_config(std::string_view text, const std::string& name) {
  try {
    const toml::table root = toml::parse(text, name);
    return read_tables(root, name);
  } catch (const toml::parse_error& error) {
    return config_error(name, error.source(), error.description());
  }
}

Result<AgentConfig> read_config_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             std::fclose);
  if (file == nullptr) return cannot_read(path, errno);
  std::string text;
  std::array<char, 4096> part;
  while (std::feof(file.get()) == 0 && std::ferror(file.get()) == 0) {
    text.append(part.data(), std::fread(part.data(), 1, part.size(), file.get()));
  }
  if (std::ferror(file.get()) != 0) return cannot_read(path, errno);
  return parse_config(text, path);
}

}  // namespace vac::agent
