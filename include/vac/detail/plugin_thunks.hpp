// SPDX-License-Identifier: Apache-2.0
// Between the C functions of the plugin ABI and the C++ functions given to vac::Plugin: no
// exception leaves, an Error becomes a code and a text, and what a hook makes is owned by the host
// until the matching hook destroys it.
#pragma once

#include <vac/plugin.h>
#include <vac/detail/arg_reader.hpp>
#include <vac/detail/plugin_batch.hpp>
#include <vac/result.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace vac {
inline namespace plugin_api {
namespace thunks {

/// A function, a member function or a lambda without captures, as plain bytes: two words, copied
/// freely.
class Function {
 public:
  Function() = default;
  template <class F>
    requires(!std::is_same_v<F, Function>)
  explicit Function(F fn) noexcept {
    static_assert(std::is_trivially_copyable_v<F> && std::is_trivially_destructible_v<F> &&
                      sizeof(F) <= sizeof(bytes_) && alignof(F) <= alignof(void*),
                  "a plugin takes functions, member functions and lambdas without captures");
    new (bytes_) F(fn);
  }
  template <class F>
  const F& as() const noexcept {
    return *std::launder(reinterpret_cast<const F*>(bytes_));
  }

 private:
  alignas(void*) std::byte bytes_[2 * sizeof(void*)]{};
};

/// Whether fn takes these arguments, or the plugin's state and these.
template <class F, class R, class State, class... Args>
concept Takes =
    std::is_invocable_r_v<R, F, State&, Args...> || std::is_invocable_r_v<R, F, Args...>;

/// Calls fn with the plugin's state first where it takes that.
template <class F, class State, class... Args>
decltype(auto) apply(const F& fn, State& state, Args&&... args) {
  if constexpr (std::is_invocable_v<F, State&, Args...>) {
    return std::invoke(fn, state, std::forward<Args>(args)...);
  } else {
    return std::invoke(fn, std::forward<Args>(args)...);
  }
}

/// T of an fn that returns Result<std::unique_ptr<T>>.
template <class F, class State, class... Args>
using MadeBy = typename decltype(apply(std::declval<const F&>(), std::declval<State&>(),
                                       std::declval<Args>()...))::value_type::element_type;

/// What `void* plugin` of the ABI points to.
template <class P>
struct Instance {
  const P* plugin;
  const vac_host* host;
  std::unique_ptr<typename P::StateType> state;
};

template <class P>
struct Handler {
  using Run = int (*)(const Function&, Instance<P>&, vac_call&);
  using RunBatch = void (*)(const Handler&, Instance<P>&, vac_call* const*, std::size_t);
  using Key = std::uint64_t (*)(const Function&, Instance<P>&, vac_call&);
  Function fn;
  Run run = nullptr;
  std::uint32_t op = 0;
  // Of a handler of batches; null without one.
  Function batch_fn;
  RunBatch run_batch = nullptr;
  Function key_fn;
  Key key = nullptr;
};

template <class Run>
struct Hook {
  Function fn;
  Run run = nullptr;
  explicit operator bool() const noexcept { return run != nullptr; }
};

/// The optional functions of a plugin. Those with a destination store what they made there.
template <class State>
struct Hooks {
  Hook<Status (*)(const Function&, const vac_host&, std::string_view, std::unique_ptr<State>&)>
      open;
  Hook<Status (*)(const Function&, State&, const vac_session_view&, void**)> session_open;
  void (*session_close)(void*) = nullptr;
  Hook<Status (*)(const Function&, State&, const vac_resource_view&)> accepts;
  Hook<Status (*)(const Function&, State&, const vac_resource_view&, void**)> attach;
  void (*detach)(void*) = nullptr;
  Hook<Result<std::string> (*)(const Function&, State&)> describe;
};

/// Tells the host why; returns the code. `call` is nullptr outside of calls.
inline int report(const vac_host& host, vac_call* call, const Error& error) noexcept {
  if (error.code() != Errc::in_progress) {
    host.error(host.host, call, error.detail(), error.text().c_str());
  }
  return error.value();
}

/// Runs body, which returns a code, and turns what it throws into one. Inline, because every call
/// goes through it.
template <class Body>
[[gnu::always_inline]] inline int guarded(const vac_host& host, vac_call* call,
                                          const Body& body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    host.error(host.host, call, 0, "out of memory");
    return VAC_ENOMEM;
  } catch (const std::exception& error) {
    host.error(host.host, call, 0, error.what());
    return VAC_EIO;
  } catch (...) {
    host.error(host.host, call, 0, "the plugin threw something that is no std::exception");
    return VAC_EIO;
  }
}

inline int code_of(const vac_host& host, vac_call* call, const Status& status) noexcept {
  return status ? VAC_OK : report(host, call, status.error());
}

template <class P, class Op, class F>
int run_typed(const Function& fn, Instance<P>& instance, vac_call& raw) {
  Call call(raw, *instance.host);
  ArgReader reader(call);
  const typename Op::Args args = Op::Args::from(reader);
  return code_of(*instance.host, &raw, apply(fn.as<F>(), *instance.state, call, args));
}

template <class P, class F>
int run_raw(const Function& fn, Instance<P>& instance, vac_call& raw) {
  Call call(raw, *instance.host);
  return code_of(*instance.host, &raw, apply(fn.as<F>(), *instance.state, call));
}

template <class P, class Op, class F>
std::uint64_t run_key(const Function& fn, Instance<P>& instance, vac_call& raw) {
  const Call call(raw, *instance.host);
  ArgReader reader(call);
  const typename Op::Args args = Op::Args::from(reader);
  return apply(fn.as<F>(), *instance.state, call, args);
}

/// Ends one call of several.
template <class P>
void finish(Instance<P>& instance, vac_call& call, int code) noexcept {
  // A handler that goes on by itself completes its call by itself.
  if (code != VAC_EINPROGRESS) instance.host->complete(&call, code, nullptr);
}

/// What the batch's handler throws or fails with is forgotten: the handler of single calls finds
/// out which of them is to blame.
template <class P, class Op, class F>
void run_batch(const Handler<P>& handler, Instance<P>& instance, vac_call* const* calls,
               std::size_t count) {
  Batch<Op> batch(calls, count, *instance.host);
  try {
    static_cast<void>(Status(apply(handler.batch_fn.template as<F>(), *instance.state, batch)));
  } catch (...) {
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (batch[i].finished()) continue;
    vac_call& call = *calls[i];
    finish(instance, call,
           guarded(*instance.host, &call, [&] { return handler.run(handler.fn, instance, call); }));
  }
}

template <class State, class F>
Status run_open(const Function& fn, const vac_host& host, std::string_view config,
                std::unique_ptr<State>& state) {
  VAC_TRY(state, fn.as<F>()(Host(host), config));
  return {};
}

template <class State, class F>
Status run_session_open(const Function& fn, State& state, const vac_session_view& view,
                        void** made) {
  VAC_TRY(auto owned, apply(fn.as<F>(), state, view));
  *made = owned.release();
  return {};
}

template <class State, class F>
Status run_accepts(const Function& fn, State& state, const vac_resource_view& view) {
  return apply(fn.as<F>(), state, view);
}

template <class State, class F>
Status run_attach(const Function& fn, State& state, const vac_resource_view& view, void** made) {
  VAC_TRY(auto owned, apply(fn.as<F>(), state, view));
  *made = owned.release();
  return {};
}

template <class State, class F>
Result<std::string> run_describe(const Function& fn, State& state) {
  return apply(fn.as<F>(), state);
}

template <class T>
void destroy(void* made) {
  delete static_cast<T*>(made);
}

/// The C functions of one plugin. Maker::plugin() returns it.
template <class Maker>
struct Table {
  using P = std::remove_cvref_t<decltype(Maker::plugin())>;
  using State = typename P::StateType;

  static Instance<P>& instance(void* plugin) noexcept { return *static_cast<Instance<P>*>(plugin); }

  static int open(const vac_host* host, const char* config, void** plugin) noexcept {
    return guarded(*host, nullptr, [&]() -> int {
      auto made = std::make_unique<Instance<P>>(Instance<P>{&Maker::plugin(), host, nullptr});
      const auto& hook = made->plugin->hooks().open;
      const std::string_view text = config == nullptr ? "{}" : config;
      if (hook) {
        const Status status = hook.run(hook.fn, *host, text, made->state);
        if (!status) return report(*host, nullptr, status.error());
      } else if (!text.empty() && text != "{}") {
        return report(*host, nullptr,
                      Error{Errc::invalid, "the plugin takes no settings and was given " +
                                               std::string(text) + ": leave them out"});
      } else if constexpr (std::is_default_constructible_v<State>) {
        made->state = std::make_unique<State>();
      }
      if (made->state == nullptr) {
        return report(*host, nullptr, Error{Errc::bad_plugin, "the plugin's open made no state"});
      }
      *plugin = made.release();
      return VAC_OK;
    });
  }

  static void close(void* plugin) noexcept { delete &instance(plugin); }

  static int session_open(void* plugin, const vac_session_view* view, void** session) noexcept {
    Instance<P>& self = instance(plugin);
    return guarded(*self.host, nullptr, [&] {
      const auto& hook = self.plugin->hooks().session_open;
      return code_of(*self.host, nullptr, hook.run(hook.fn, *self.state, *view, session));
    });
  }

  static void session_close(void* plugin, void* session) noexcept {
    instance(plugin).plugin->hooks().session_close(session);
  }

  static int accepts(void* plugin, const vac_resource_view* view) noexcept {
    Instance<P>& self = instance(plugin);
    return guarded(*self.host, nullptr, [&] {
      const auto& hook = self.plugin->hooks().accepts;
      return code_of(*self.host, nullptr, hook.run(hook.fn, *self.state, *view));
    });
  }

  static int attach(void* plugin, void* /*session*/, const vac_resource_view* view,
                    void** state) noexcept {
    Instance<P>& self = instance(plugin);
    return guarded(*self.host, nullptr, [&] {
      const auto& hook = self.plugin->hooks().attach;
      return code_of(*self.host, nullptr, hook.run(hook.fn, *self.state, *view, state));
    });
  }

  static void detach(void* plugin, void* state) noexcept {
    instance(plugin).plugin->hooks().detach(state);
  }

  static int run(Instance<P>& self, vac_call& call) noexcept {
    const Handler<P>* handler = self.plugin->find(call.op);
    if (handler == nullptr) return VAC_ENOTSUP;
    return guarded(*self.host, &call, [&] { return handler->run(handler->fn, self, call); });
  }

  static int submit(void* plugin, vac_call* const* calls, std::size_t n) noexcept {
    return n == 1 ? run(instance(plugin), *calls[0]) : submit_all(instance(plugin), calls, n);
  }

  [[gnu::noinline]] static int submit_all(Instance<P>& self, vac_call* const* calls,
                                          std::size_t n) noexcept {
    const Handler<P>* handler = self.plugin->find(calls[0]->op);
    if (handler != nullptr && handler->run_batch != nullptr) {
      try {
        handler->run_batch(*handler, self, calls, n);
        return VAC_EINPROGRESS;
      } catch (...) {  // no memory for the batch: none of it has been run
      }
    }
    for (std::size_t i = 0; i < n; ++i) finish(self, *calls[i], run(self, *calls[i]));
    return VAC_EINPROGRESS;
  }

  static std::uint64_t batch_key(void* plugin, const vac_call* call) noexcept {
    Instance<P>& self = instance(plugin);
    const Handler<P>* handler = self.plugin->find(call->op);
    if (handler == nullptr || handler->key == nullptr) return 0;
    try {
      // The typed arguments can write results, which a key does not.
      return handler->key(handler->key_fn, self, const_cast<vac_call&>(*call));
    } catch (...) {  // then alone, where its handler says what is wrong
      return 0;
    }
  }

  static int describe(void* plugin, char* json, std::size_t* bytes) noexcept {
    Instance<P>& self = instance(plugin);
    return guarded(*self.host, nullptr, [&]() -> int {
      const auto& hook = self.plugin->hooks().describe;
      const Result<std::string> text = hook.run(hook.fn, *self.state);
      if (!text) return report(*self.host, nullptr, text.error());
      const std::size_t capacity = std::exchange(*bytes, text->size());
      if (text->size() > capacity) return VAC_ENOSPC;
      std::copy(text->begin(), text->end(), json);  // without a NUL: its size tells its end
      return VAC_OK;
    });
  }

  static vac_plugin make() {
    const P& plugin = Maker::plugin();
    const Hooks<State>& hooks = plugin.hooks();
    vac_plugin table = plugin.table();
    table.open = open;
    table.close = close;
    table.submit = submit;
    if (plugin.batched()) table.batch_key = batch_key;
    if (hooks.session_open) table.session_open = session_open;
    if (hooks.session_open) table.session_close = session_close;
    if (hooks.accepts) table.accepts = accepts;
    if (hooks.attach) table.resource_attach = attach;
    if (hooks.attach) table.resource_detach = detach;
    if (hooks.describe) table.describe = describe;
    return table;
  }
};

/// NULL: the host is of another major, or the plugin offers more than fits.
template <class Maker>
const vac_plugin* plugin_table(std::uint32_t host_major) noexcept {
  static_assert(std::is_trivially_destructible_v<typename Table<Maker>::P>);
  if (host_major != VAC_ABI_MAJOR) return nullptr;
  try {
    static const vac_plugin table = Table<Maker>::make();
    return Maker::plugin().complete() ? &table : nullptr;
  } catch (...) {
    return nullptr;
  }
}

}  // namespace thunks
}  // namespace plugin_api
}  // namespace vac
