// SPDX-License-Identifier: Apache-2.0
// The host's side of the plugin ABI: what plugins call.
#include <dlfcn.h>

#include <atomic>
#include <string>

#include "base/log.hpp"
#include "core/async_call.hpp"
#include "core/call_context.hpp"
#include "core/contained.hpp"
#include "core/monotonic.hpp"
#include "core/plugin.hpp"
#include "core/results.hpp"
#include "core/session.hpp"

namespace vac::core {
namespace {

// The context of a call is ours and writable; the ABI hides it behind a const pointer from plugins.
CallContext& context_of(const vac_call* call) {
  return *static_cast<CallContext*>(const_cast<void*>(call->host_priv));
}

void store(std::string& to, const char* message) noexcept {
  try {
    to = plugin_text(message);
  } catch (...) {  // no memory for the text: the code alone must do
    to.clear();
  }
}

/// A plugin that completes what is not waited for does so again and again: it is told once.
[[gnu::cold]] void log_stray(const void* from) noexcept {
  static std::atomic<bool> told{false};
  if (told.exchange(true)) return;
  Dl_info info{};
  const bool known = ::dladdr(from, &info) != 0 && info.dli_fname != nullptr;
  log_error("plugin '", known ? info.dli_fname : "?",
            "' has completed a call that is not waited for (a second time, or after submit had "
            "returned its code): ignored, and not said again");
}

void host_complete(vac_call* call, int code, const char* message) {
  AsyncCall* const async = AsyncCall::find(call);
  if (async == nullptr || !async->complete(code, message)) {
    log_stray(__builtin_return_address(0));
  }
}

/// Of a plugin that takes calls without waiting: it is trusted to name a call that it has.
void complete_taken(vac_call* call, int code, const char* message) {
  if (!Session::complete_taken(*call, code, message)) log_stray(__builtin_return_address(0));
}

/// What a plugin says of a call that it has ended goes nowhere.
bool over(const CallContext& context) noexcept {
  return context.async != nullptr && !context.async->pending();
}

void host_error(void* /*host*/, vac_call* call, std::uint32_t detail, const char* message) {
  if (call == nullptr) {
    set_thread_error(message);
    return;
  }
  CallContext& context = context_of(call);
  if (over(context) || context.fault != 0) return;
  context.detail = detail;
  store(context.message, message);
}

void* host_output(vac_call* call, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
                  std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) {
  CallContext& context = context_of(call);
  if (context.sink == nullptr || over(context)) return nullptr;
  return give_output(*call, context, {arg, child, bytes, type, rank, dims});
}

int host_cancelled(const vac_call* call) {
  const CallContext& context = context_of(call);
  if (context.given_up() || over(context)) return 1;
  return call->deadline_ns != 0 && now_ns() >= call->deadline_ns ? 1 : 0;
}

void host_progress(vac_call* call, std::uint64_t done, std::uint64_t total) {
  CallContext& context = context_of(call);
  if (context.progress == nullptr || over(context)) return;
  context.progress->progress(done, total);
}

void host_log(void* /*host*/, int level, const char* text) {
  if (level < VAC_LOG_ERROR || level > VAC_LOG_DEBUG || text == nullptr) return;
  default_log().write(static_cast<LogLevel>(level), text);
}

constexpr vac_host table_with(void (*complete)(vac_call*, int, const char*)) {
  return {sizeof(vac_host), VAC_ABI_MAJOR, VAC_ABI_MINOR,  nullptr,       complete,
          host_error,       host_output,   host_cancelled, host_progress, host_log};
}

}  // namespace

const vac_host& host_table() noexcept {
  static constexpr vac_host kHost = table_with(host_complete);
  return kHost;
}

const vac_host& host_table_for_taken_calls() noexcept {
  static constexpr vac_host kHost = table_with(complete_taken);
  return kHost;
}

}  // namespace vac::core
