// SPDX-License-Identifier: Apache-2.0
// Plugins whose hooks are written in the test, and sessions over them.
#pragma once

#include <vac/plugin.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "base/mutex.hpp"
#include "core/runtime.hpp"

namespace vac::core::fixture {

inline constexpr std::uint32_t kNoop = 32;
inline constexpr std::uint32_t kLoad = 33;
inline constexpr std::uint32_t kDescribe = 35;
inline constexpr std::uint32_t kRun = 36;
inline constexpr std::uint32_t kMinmax = 43;

/// A plugin table whose hooks are members. A hook may throw.
struct FakePlugin {
  std::vector<vac_op_offer> offers{{kNoop, 1, 0, VAC_OFFER_QUICK}};
  std::uint64_t caps = 0;
  std::function<int(const char* config)> on_open = [](const char*) { return VAC_OK; };
  std::function<int()> on_session_open = [] { return VAC_OK; };
  std::function<void()> on_session_close = [] {};
  std::function<int(vac_call&)> on_submit = [](vac_call&) { return VAC_OK; };
  /// Of several calls; empty: they go to on_submit one by one.
  std::function<int(std::span<vac_call* const>)> on_batch;
  std::function<std::uint64_t(const vac_call&)> on_batch_key;  ///< empty: the slot is NULL
  std::function<void(vac_call&)> on_cancel;                    ///< empty: the slot is NULL
  std::function<void()> on_session_cancel;                     ///< empty: the slot is NULL
  std::function<int(const vac_resource_view&)> on_accepts = [](const vac_resource_view&) {
    return VAC_OK;
  };
  std::function<int()> on_attach = [] { return VAC_OK; };
  std::function<int(char*, std::size_t*)> on_describe;  ///< empty: the slot is NULL
  /// Empty: the slots are NULL. `session` is the plugin itself while the session is open.
  std::function<int(void* session, std::uint64_t bytes, vac_buffer_view&)> on_buffer_alloc;
  std::function<void(void* session, const vac_buffer_view&)> on_buffer_free;
  std::function<void()> on_close = [] {};
  std::atomic<int> attached{0}, detached{0};
  const vac_host* host = nullptr;

  vac_plugin table(const char* name) {
    vac_plugin table{};
    table.struct_size = sizeof table;
    table.abi_major = VAC_ABI_MAJOR;
    table.name = name;
    table.version = "1";
    table.caps = caps;
    table.ops = offers.data();
    table.op_count = offers.size();
    opening = this;
    add_plugin_hooks(table);
    add_session_hooks(table);
    if (on_buffer_alloc) add_buffer_hooks(table);
    return table;
  }
  static FakePlugin& self(void* plugin) { return *static_cast<FakePlugin*>(plugin); }
  /// The one whose table was made last: `open` has no other way to find its plugin.
  static inline FakePlugin* opening = nullptr;

 private:
  void add_plugin_hooks(vac_plugin& table) const {
    table.open = [](const vac_host* host, const char* config, void** plugin) {
      opening->host = host;
      *plugin = opening;
      return opening->on_open(config);
    };
    table.close = [](void* plugin) { self(plugin).on_close(); };
    table.submit = [](void* plugin, vac_call* const* calls, std::size_t count) {
      if (count == 1) return self(plugin).on_submit(*calls[0]);
      return self(plugin).submit_batch({calls, count});
    };
    if (on_batch_key) {
      table.batch_key = [](void* plugin, const vac_call* call) {
        return self(plugin).on_batch_key(*call);
      };
    }
    if (on_cancel) {
      table.cancel = [](void* plugin, vac_call* call) { self(plugin).on_cancel(*call); };
    }
    if (on_session_cancel) {
      table.session_cancel = [](void* plugin, void*) { self(plugin).on_session_cancel(); };
    }
    if (on_describe) {
      table.describe = [](void* plugin, char* json, std::size_t* bytes) {
        return self(plugin).on_describe(json, bytes);
      };
    }
  }
  int submit_batch(std::span<vac_call* const> calls) {
    if (on_batch) return on_batch(calls);
    for (vac_call* call : calls) host->complete(call, on_submit(*call), nullptr);
    return VAC_EINPROGRESS;
  }
  static void add_buffer_hooks(vac_plugin& table) {
    table.buffer_alloc = [](void* plugin, void* session, std::uint64_t bytes,
                            vac_buffer_view* view) {
      return self(plugin).on_buffer_alloc(session, bytes, *view);
    };
    table.buffer_free = [](void* plugin, void* session, const vac_buffer_view* view) {
      self(plugin).on_buffer_free(session, *view);
    };
  }
  static void add_session_hooks(vac_plugin& table) {
    table.session_open = [](void* plugin, const vac_session_view*, void** session) {
      *session = plugin;
      return self(plugin).on_session_open();
    };
    table.session_close = [](void* plugin, void*) { self(plugin).on_session_close(); };
    table.accepts = [](void* plugin, const vac_resource_view* view) {
      return self(plugin).on_accepts(*view);
    };
    table.resource_attach = [](void* plugin, void*, const vac_resource_view*, void** state) {
      *state = plugin;
      ++self(plugin).attached;
      return self(plugin).on_attach();
    };
    table.resource_detach = [](void* state, void*) { ++self(state).detached; };
  }
};

/// Keeps what is logged while it lives.
class LogCapture {
 public:
  LogCapture() {
    default_log().set_sink([this](LogLevel, std::string_view line) {
      const MutexLock lock(mutex_);
      lines_.emplace_back(line);
    });
  }
  ~LogCapture() { default_log().set_sink({}); }
  std::vector<std::string> lines() {
    const MutexLock lock(mutex_);
    return lines_;
  }

 private:
  Mutex mutex_;
  std::vector<std::string> lines_ VAC_GUARDED_BY(mutex_);
};

inline RuntimeOptions no_plugins() {
  RuntimeOptions options;
  options.only_these = true;
  return options;
}

/// A runtime with these plugins, and a local session.
struct Rig {
  explicit Rig(std::vector<FakePlugin*> plugins, SessionOptions options = {},
               RuntimeOptions runtime_options = no_plugins(), const std::string& config = "{}")
      : runtime(std::move(runtime_options)) {
    const char* const names[] = {"first", "second"};
    for (std::size_t i = 0; i < plugins.size(); ++i) {
      runtime.add_plugin(plugins[i]->table(names[i]), config).value();
    }
    session = runtime.open_session(std::move(options)).value();
  }
  int call(std::uint32_t op, std::vector<vac_arg> args, std::vector<Resource*> resources = {},
           OutputSink* sink = nullptr) {
    vac_call call{};
    call.op = op;
    call.args = args.data();
    call.arg_count = static_cast<std::uint32_t>(args.size());
    CallContext context;
    context.resources = resources;
    context.sink = sink;
    const int code = session->dispatch(call, context);
    message = context.message;
    detail = context.detail;
    return code;
  }
  Runtime runtime;
  std::unique_ptr<Session> session;
  std::string message;
  std::uint32_t detail = 0;
};

inline vac_arg record(std::uint8_t type, std::uint8_t form, std::uint8_t dir) {
  vac_arg arg{};
  arg.type = type;
  arg.form = form;
  arg.dir = dir;
  return arg;
}
inline vac_arg no_data() { return record(VAC_BYTE, VAC_ABSENT, VAC_IN); }
inline vac_arg resource_arg() {
  vac_arg arg = record(VAC_RESOURCE, VAC_SCALAR, VAC_IN);
  arg.value = 1;
  return arg;
}
inline vac_arg array(std::uint8_t type, std::uint8_t dir, void* data, std::uint64_t bytes) {
  vac_arg arg = record(type, VAC_ARRAY, dir);
  arg.value = reinterpret_cast<std::uintptr_t>(data);
  arg.bytes = bytes;
  return arg;
}

}  // namespace vac::core::fixture
