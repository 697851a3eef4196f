// SPDX-License-Identifier: Apache-2.0
// The host's side of the plugin ABI: what plugins call.
#include <string>
#include <utility>

#include "base/log.hpp"
#include "core/call_context.hpp"
#include "core/plugin.hpp"

namespace vac::core {
namespace {

thread_local std::string thread_error;

// The context of a call is ours and writable; the ABI hides it behind a const pointer from plugins.
CallContext& context_of(const vac_call* call) {
  return *static_cast<CallContext*>(const_cast<void*>(call->host_priv));
}

void store(std::string& to, const char* message) noexcept {
  try {
    to = message == nullptr ? "" : message;
  } catch (...) {  // no memory for the text: the code alone must do
    to.clear();
  }
}

void host_complete(vac_call* call, int code, const char* message) {
  CallContext& context = context_of(call);
  context.code = code;
  if (message != nullptr) store(context.message, message);
  // The waiter may free the context as soon as it sees the word, which wake_one() does not read.
  FutexWord& done = context.done;
  done.store(1);
  done.wake_one();
}

void host_error(void* /*host*/, vac_call* call, std::uint32_t detail, const char* message) {
  if (call == nullptr) {
    store(thread_error, message);
    return;
  }
  CallContext& context = context_of(call);
  context.detail = detail;
  store(context.message, message);
}

void* host_output(vac_call* call, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
                  std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) {
  CallContext& context = context_of(call);
  if (context.sink == nullptr || rank > VAC_MAX_RANK) return nullptr;
  return context.sink->output(*call, arg, child, bytes, type, rank, dims);
}

int host_cancelled(const vac_call* call) {
  return context_of(call).cancelled.load(std::memory_order_relaxed) ? 1 : 0;
}

void host_progress(vac_call* call, std::uint64_t done, std::uint64_t total) {
  if (ProgressSink* const sink = context_of(call).progress) sink->progress(done, total);
}

void host_log(void* /*host*/, int level, const char* text) {
  if (level < VAC_LOG_ERROR || level > VAC_LOG_DEBUG || text == nullptr) return;
  default_log().write(static_cast<LogLevel>(level), text);
}

}  // namespace

const vac_host& host_table() noexcept {
  static constexpr vac_host kHost = {sizeof(vac_host), VAC_ABI_MAJOR, VAC_ABI_MINOR, nullptr,
                                     host_complete,    host_error,    host_output,   host_cancelled,
                                     host_progress,    host_log};
  return kHost;
}

void clear_thread_error() noexcept { thread_error.clear(); }

std::string take_thread_error() noexcept { return std::exchange(thread_error, {}); }

}  // namespace vac::core
