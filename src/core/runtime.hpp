// SPDX-License-Identifier: Apache-2.0
// Owns the plugins and what sessions share.
#pragma once

#include <vac/plugin.h>
#include <vac/result.hpp>

#include <chrono>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.hpp"
#include "core/attachment.hpp"
#include "core/call_pool.hpp"
#include "core/plugin.hpp"
#include "core/session.hpp"

namespace vac::core {

/// Of this vAccel, as vac_version() and --version tell it.
extern const char* const kVersion;

struct RuntimeOptions {
  /// Names ("torch") or paths of plugins in order of choice. With `only_these` false and an empty
  /// list: every plugin found but those that serve tests (noop, exec, mbench, older) and remote.
  std::vector<std::string> plugins;
  bool only_these = false;
  /// Folders searched for <name>.so, first match wins.
  std::vector<std::string> search_path;
  /// Configuration of a plugin, a JSON object, by name.
  std::map<std::string, std::string> configs;
  std::chrono::milliseconds idle_unload{0};
  /// How long an asynchronous plugin that has been told to cancel a call may take to complete it.
  /// Then the call is answered, and its memory and slot are left to the plugin.
  std::chrono::milliseconds cancel_grace{5000};
  /// A call that no plugin serves looks into the installed ones that were not chosen, and names
  /// those that would: for a process's own calls. Where clients make the calls they would have
  /// code loaded that nobody chose: false.
  bool suggest_plugins = true;

  /// VAC_PLUGINS (empty is as unset), VAC_PLUGIN_PATH, and the folder vac/ beside the library (or
  /// ../lib/vac beside a program, lib as CMAKE_INSTALL_LIBDIR says) this code lies in.
  static RuntimeOptions from_environment();
};

/// Thread-safe. Sessions end before it.
class Runtime {
 public:
  explicit Runtime(RuntimeOptions options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Opens the chosen plugins, once. A plugin that was named and cannot be opened is an error; one
  /// that was merely found is logged and left out.
  Status load_plugins();
  /// A plugin that is linked in; for tests and programs that embed one. Before the first session.
  Status add_plugin(const vac_plugin& table, const std::string& config_json = "{}");

  /// "local:" loads the plugins; any other address opens `remote` alone.
  Result<std::unique_ptr<Session>> open_session(SessionOptions options);

  /// In order of choice, remote last.
  std::vector<Plugin*> plugins() const;
  /// {"version", "plugins": [{"name", "version", "operations", "formats", "describe"}]}
  std::string describe_json() const;
  /// Threads for the calls of sessions that nobody waits for.
  CallPool& call_pool() noexcept { return call_pool_; }
  /// The thread that tells the program of calls which no thread of a pool has run.
  CallPool& teller() noexcept { return teller_; }
  /// Detaches what was idle for idle_unload; to be called now and then.
  void trim();

 private:
  friend class Session;
  friend class Resource;
  Result<Plugin*> open_plugin(const std::string& name_or_path) VAC_REQUIRES(mutex_);
  Result<Plugin*> remote_plugin() VAC_REQUIRES(mutex_);
  std::string find_file(const std::string& name) const;
  std::vector<std::string> installed() const;
  /// The end of VAC_ENOTSUP's text: what to do, and with suggest_plugins which installed plugins
  /// outside the chosen set offer the operation.
  std::string who_else_offers(std::uint32_t op) const;

  const RuntimeOptions options_;
  mutable Mutex mutex_;
  bool loaded_ VAC_GUARDED_BY(mutex_) = false;
  // Shared with the sources of buffers, which may outlive the runtime.
  std::vector<std::shared_ptr<Plugin>> plugins_ VAC_GUARDED_BY(mutex_);
  Plugin* remote_ VAC_GUARDED_BY(mutex_) = nullptr;
  AttachmentTable attachments_;
  CallPool call_pool_;
  CallPool teller_{1};
};

}  // namespace vac::core
