// SPDX-License-Identifier: Apache-2.0
#include <vac/session.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "base/json_text.hpp"
#include "base/text.hpp"
#include "call/op_table.hpp"
#include "capi/handles.hpp"
#include "capi/invoke.hpp"
#include "core/runtime.hpp"

namespace vac::capi {
namespace {

constexpr std::uint32_t kInfo = 10;  // the control operation of that name

/// The process's runtime: made at first use, never destroyed, so that exit() finds nothing to do.
core::Runtime& process_runtime() {
  static auto* const kRuntime = new core::Runtime(core::RuntimeOptions::from_environment());
  return *kRuntime;
}

Result<core::SessionOptions> read_options(const char* address, const char* options_json) {
  core::SessionOptions options;
  if (address == nullptr || *address == '\0') address = std::getenv("VAC_ADDRESS");
  if (address != nullptr && *address != '\0') options.address = address;
  auto canonical = canonical_json_object(options_json == nullptr ? "" : options_json);
  if (!canonical) return std::move(canonical).error().with_context("session options");
  options.options_json = *std::move(canonical);
  VAC_TRY(const JsonValue object, parse_json(options.options_json));
  for (const JsonMember& member : object.members()) {
    if (member.key == "timeout_ms") {
      const auto timeout = member.value.as_i64();
      if (!timeout || *timeout < 0 || *timeout > UINT32_MAX) {
        return Error{Errc::invalid,
                     "session option 'timeout_ms' must be a whole number of milliseconds"};
      }
      options.timeout_ms = static_cast<std::uint32_t>(*timeout);
    } else if (member.key == "name") {
      if (member.value.as_string() == nullptr) {
        return Error{Errc::invalid, "session option 'name' must be a string"};
      }
    } else {
      return Error{Errc::invalid, concat("session option '", member.key,
                                         "' is not known: there are timeout_ms and name")};
    }
  }
  return options;
}

[[gnu::cold, gnu::noinline]] int refuse_frame(const vac_session* session, std::uint32_t op) {
  return refuse(op, session == nullptr ? Error{Errc::invalid, "the session is NULL"}
                                       : Error{Errc::too_large,
                                               concat("more than ", VAC_MAX_RECORDS, " records")});
}

[[gnu::cold, gnu::noinline]] int tell_failure(std::uint32_t op, int code,
                                              const core::CallContext& context,
                                              const Outputs& outputs) {
  if (outputs.error()) return refuse(op, *outputs.error());
  return set_last_error(code, context.message.empty() ? error_text(code) : context.message,
                        context.detail);
}

}  // namespace

int dispatch(vac_session* session, std::uint32_t op, const Frame& frame, Outputs& outputs) {
  if (session == nullptr || !frame.ok()) [[unlikely]]
    return refuse_frame(session, op);
  vac_call call{};
  call.op = op;
  call.args = frame.records().data();
  call.arg_count = static_cast<std::uint32_t>(frame.records().size());
  call.meta = frame.meta();
  call.meta_bytes = frame.meta_bytes();
  call.flags = VAC_CALL_MAY_BLOCK;
  core::CallContext context;
  context.sink = &outputs;
  if (session->progress.function != nullptr) context.progress = &session->progress;
  context.resources = frame.resources();
  const int code = session->core->dispatch(call, context);
  if (code == VAC_OK && !outputs.error()) [[likely]]
    return code;
  return tell_failure(op, code, context, outputs);
}

int refuse(std::uint32_t op, const Error& error) {
  const Op* found = find_op(op);
  return set_last_error(error.value(),
                        concat(found == nullptr ? "call" : found->name, ": ", error.text()),
                        error.detail());
}

}  // namespace vac::capi

int vac_session_open(const char* address, const char* options_json, vac_session** session) {
  return vac::capi::guarded([&]() -> vac::Status {
    if (session == nullptr)
      return vac::Error{vac::Errc::invalid, "session_open: the place for the session is NULL"};
    VAC_TRY(vac::core::SessionOptions options, vac::capi::read_options(address, options_json));
    VAC_TRY(auto core, vac::capi::process_runtime().open_session(std::move(options)));
    auto opened = std::make_unique<vac_session>();
    opened->core = std::move(core);
    *session = opened.release();
    return {};
  });
}

int vac_session_on_progress(vac_session* session, vac_progress_function function, void* user) {
  return vac::capi::guarded([&]() -> vac::Status {
    if (session == nullptr)
      return vac::Error{vac::Errc::invalid, "session_on_progress: the session is NULL"};
    session->progress.function = function;
    session->progress.user = user;
    return {};
  });
}

void vac_session_close(vac_session* session) {
  if (session == nullptr) return;
  std::set<vac_resource*> left;
  {
    const vac::MutexLock lock(session->mutex);
    left.swap(session->resources);
  }
  for (vac_resource* resource : left) delete resource;
  delete session;
}

int vac_session_describe(vac_session* session, char* json, std::size_t capacity,
                         std::size_t* bytes) {
  if (session == nullptr || !session->core->local()) {
    return vac::capi::invoke(session, vac::capi::kInfo,
                             vac::capi::out_string(json, capacity, bytes));
  }
  return vac::capi::guarded([&]() -> vac::Status {
    if (bytes == nullptr || (json == nullptr && capacity != 0)) {
      return vac::Error{vac::Errc::invalid, "session_describe: json or bytes is NULL"};
    }
    const std::string text = session->core->runtime().describe_json();
    if (capacity <= text.size()) {
      *bytes = text.size() + 1;
      return vac::Error{vac::Errc::no_space,
                        vac::concat("session_describe: needs a capacity of ", *bytes)};
    }
    std::memcpy(json, text.c_str(), text.size() + 1);
    *bytes = text.size();
    return {};
  });
}

const char* vac_session_address(const vac_session* session) {
  return session->core->options().address.c_str();
}

const char* vac_version(void) { return vac::core::kVersion; }
