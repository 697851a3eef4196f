// SPDX-License-Identifier: Apache-2.0
#include "core/runtime.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/environment_list.hpp"
#include "base/installed_folders.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "call/op_table.hpp"

namespace vac::core {

const char* const kVersion = VAC_VERSION;

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kLocal = "local:";
constexpr const char* kRemotePlugin = "remote";
// They serve tests, or run what they are given: only on request. (check-layers: names of plugins)
constexpr std::array<std::string_view, 4> kOnlyOnRequest = {"noop", "exec", "mbench", "older"};

bool is_path(std::string_view name) {
  return name.find('/') != std::string_view::npos || name.ends_with(".so");
}

std::string plugin_name(const std::string& file) { return fs::path(file).stem().string(); }

/// "/opt/vac, /usr/lib/vac"
std::string list_text(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += concat(text.empty() ? "" : ", ", name);
  return text;
}

Error name_taken(const std::string& name, const std::string& file, const Plugin& loaded) {
  return Error{Errc::bad_plugin,
               concat("plugin '", file, "': a plugin '", name, "' is loaded already, ",
                      loaded.path().empty() ? "linked in" : concat("from '", loaded.path(), "'"),
                      ": choose one of them")};
}

}  // namespace

RuntimeOptions RuntimeOptions::from_environment() {
  RuntimeOptions options;
  options.plugins = environment_list("VAC_PLUGINS", ',');
  options.only_these = !options.plugins.empty();
  options.search_path = environment_list("VAC_PLUGIN_PATH", ':');
  const auto here = reinterpret_cast<const void*>(&RuntimeOptions::from_environment);
  std::ranges::move(installed_folders(here, "vac"), std::back_inserter(options.search_path));
  return options;
}

Runtime::Runtime(RuntimeOptions options)
    : options_(std::move(options)), attachments_(options_.idle_unload) {}

Runtime::~Runtime() {
  attachments_.trim(std::chrono::steady_clock::time_point::max());
  const MutexLock lock(mutex_);
  for (auto& plugin : plugins_) {
    // One that may still complete a call must find what it knows.
    if (plugin->lost_calls() != 0) plugin->keep(plugin);
  }
}

std::string Runtime::find_file(const std::string& name) const {
  std::error_code failure;
  if (is_path(name)) return name;
  for (const std::string& folder : options_.search_path) {
    const std::string file = concat(folder, "/", name, ".so");
    if (fs::is_regular_file(file, failure)) return file;
  }
  return {};
}

std::vector<std::string> Runtime::installed() const {
  std::vector<std::string> names;
  for (const std::string& folder : options_.search_path) {
    std::error_code failure;
    for (fs::directory_iterator entry(folder, failure), end; !failure && entry != end;
         entry.increment(failure)) {
      if (entry->path().extension() == ".so") names.push_back(plugin_name(entry->path().string()));
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<Plugin*> Runtime::open_plugin(const std::string& name_or_path) {
  const std::string file = find_file(name_or_path);
  const std::string name = is_path(name_or_path) ? plugin_name(name_or_path) : name_or_path;
  if (file.empty()) {
    const std::string guess = nearest(name, installed());
    return Error{
        Errc::bad_plugin,
        concat("plugin '", name, "' is not installed",
               guess.empty() ? "" : concat(", did you mean '", guess, "'?"), ": searched ",
               options_.search_path.empty() ? "no folder" : list_text(options_.search_path),
               ": install it there, or add its folder to VAC_PLUGIN_PATH")};
  }
  for (const auto& loaded : plugins_) {
    if (loaded->path() == file) return loaded.get();
    if (name == loaded->name()) return name_taken(name, file, *loaded);
  }
  const auto config = options_.configs.find(name);
  VAC_TRY(std::unique_ptr<Plugin> plugin,
          Plugin::load(file, static_cast<std::uint32_t>(plugins_.size()),
                       config == options_.configs.end() ? "{}" : config->second));
  plugins_.push_back(std::move(plugin));
  return plugins_.back().get();
}

Status Runtime::load_plugins() {
  const MutexLock lock(mutex_);
  if (loaded_) return {};
  std::vector<std::string> names = options_.plugins;
  const bool named = options_.only_these || !names.empty();
  if (!named) {
    for (std::string& name : installed()) {
      const bool on_request =
          std::find(kOnlyOnRequest.begin(), kOnlyOnRequest.end(), name) != kOnlyOnRequest.end();
      if (!on_request && name != kRemotePlugin) names.push_back(std::move(name));
    }
  }
  for (const std::string& name : names) {
    if (auto plugin = open_plugin(name); !plugin) {
      if (named) return std::move(plugin).error();
      log_warning("left out: ", plugin.error().message());
    }
  }
  loaded_ = true;
  return {};
}

Status Runtime::add_plugin(const vac_plugin& table, const std::string& config_json) {
  const MutexLock lock(mutex_);
  VAC_TRY(std::unique_ptr<Plugin> plugin,
          Plugin::from_table(table, static_cast<std::uint32_t>(plugins_.size()), config_json));
  for (const auto& loaded : plugins_) {
    if (std::string_view(plugin->name()) == loaded->name()) {
      return name_taken(plugin->name(), "linked in", *loaded);
    }
  }
  if (plugin->remote()) remote_ = plugin.get();
  plugins_.push_back(std::move(plugin));
  return {};
}

Result<Plugin*> Runtime::remote_plugin() {
  if (remote_ == nullptr) {
    VAC_TRY(remote_, open_plugin(kRemotePlugin));
    if (!remote_->remote()) {
      return Error{Errc::bad_plugin, "plugin 'remote' does not serve remote addresses"};
    }
  }
  return remote_;
}

Result<std::unique_ptr<Session>> Runtime::open_session(SessionOptions options) {
  const bool local = options.address == kLocal;
  if (!local && options.address.find("://") == std::string::npos) {
    return Error{Errc::invalid,
                 concat("address '", options.address,
                        "' has no scheme: use local:, or a form like unix:///run/vaccel.sock")};
  }
  Plugin* remote = nullptr;
  if (local) {
    VAC_CHECK(load_plugins());
  } else {
    const MutexLock lock(mutex_);
    VAC_TRY(remote, remote_plugin());
  }
  std::unique_ptr<Session> session(new Session(*this, std::move(options)));
  const std::vector<Plugin*> chosen = plugins();
  VAC_CHECK(session->open(chosen, remote));
  return session;
}

std::vector<Plugin*> Runtime::plugins() const {
  const MutexLock lock(mutex_);
  std::vector<Plugin*> plugins;
  plugins.reserve(plugins_.size());
  for (const auto& plugin : plugins_) plugins.push_back(plugin.get());
  return plugins;
}

std::string Runtime::describe_json() const {
  JsonWriter json;
  json.begin_object().key("version").string(kVersion).key("plugins").begin_array();
  const std::vector<Plugin*> plugins = this->plugins();
  for (const Plugin* plugin : plugins) {
    if (plugin->remote()) continue;
    json.begin_object()
        .key("name")
        .string(plugin->name())
        .key("version")
        .string(printable(plugin->table().version));
    json.key("operations").begin_array();
    for (const vac_op_offer& offer : plugin->offers()) {
      if (const Op* op = find_op(offer.op)) json.string(op->name);
    }
    json.end_array().key("formats").begin_array();
    for (const char* const* format = plugin->table().formats;
         format != nullptr && *format != nullptr; ++format) {
      json.string(*format);
    }
    json.end_array().key("describe").json(plugin->describe()).end_object();
  }
  json.end_array().end_object();
  return json.take();
}

void Runtime::trim() { attachments_.trim(std::chrono::steady_clock::now()); }

std::string Runtime::who_else_offers(std::uint32_t op) const {
  if (!options_.suggest_plugins) return ": ask who runs the agent for a plugin that does";
  const std::vector<Plugin*> chosen = plugins();
  std::vector<std::string> names;
  for (std::string& name : installed()) {
    const bool loaded = std::any_of(chosen.begin(), chosen.end(),
                                    [&](const Plugin* plugin) { return name == plugin->name(); });
    if (loaded || name == kRemotePlugin) continue;
    auto plugin = Plugin::load(find_file(name), 0, "{}");
    if (plugin && (*plugin)->offer(op) != nullptr) names.push_back(std::move(name));
  }
  if (names.empty()) return ": install a plugin that does, and see 'vaccel list plugins'";
  return concat(": installed and not chosen: ", list_text(names), "; choose it with VAC_PLUGINS");
}

}  // namespace vac::core
