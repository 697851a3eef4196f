// SPDX-License-Identifier: Apache-2.0
#include <vac/session.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/json_text.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "call/check.hpp"
#include "call/op_table.hpp"
#include "capi/handles.hpp"
#include "capi/invoke.hpp"
#include "capi/process.hpp"
#include "core/runtime.hpp"
#include "core/visit.hpp"

namespace vac::capi {
namespace {

constexpr std::uint32_t kInfo = 10;  // the control operation of that name

/// Calls that do not end by themselves once they are cancelled are left behind after this time.
constexpr std::chrono::milliseconds kClosePatience{10'000};

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

/// Where two arguments of a call share memory that the call writes.
std::optional<Error> find_overlap(std::uint32_t op, const Frame& frame) {
  const std::span<const vac_arg> records = frame.records();
  for (std::size_t i = 0; i < records.size(); ++i) {
    if ((records[i].dir & VAC_OUT) == 0) continue;
    for (std::size_t k = 0; k < records.size(); ++k) {
      // Of two outputs the first one finds the other.
      if (k == i || (k < i && (records[k].dir & VAC_OUT) != 0)) continue;
      if (!share_memory(records[i], records[k])) continue;
      const Op& known = *find_op(op);
      return Error{Errc::invalid,
                   concat(argument_text(known, records, i), " shares memory with ",
                          argument_text(known, records, k).substr(std::strlen(known.name) + 2),
                          ": an output needs memory of its own")};
    }
  }
  return std::nullopt;
}

int run_in(core::Session& session, std::uint32_t op, const Frame& frame,
           core::CallContext& context) {
  vac_call call;  // dispatch() sets the rest; to zero it first costs a tenth of the call
  call.op = op;
  call.args = frame.records().data();
  call.arg_count = static_cast<std::uint32_t>(frame.records().size());
  call.meta = frame.meta();
  call.meta_bytes = frame.meta_bytes();
  call.flags = VAC_CALL_MAY_BLOCK;
  call.deadline_ns = 0;
  std::fill(std::begin(call.trace), std::end(call.trace), std::uint8_t{0});
  context.resources = frame.resources();
  return session.dispatch(call, context);
}

struct TextRoom {
  char* text;
  std::size_t capacity;
  std::size_t* bytes;
};

}  // namespace

[[gnu::cold, gnu::noinline]] int tell_failure(std::uint32_t op, int code,
                                              const core::CallContext& context,
                                              const Outputs& outputs) {
  if (outputs.error()) return refuse(op, *outputs.error());
  return set_last_error(code, context.message.empty() ? error_text(code) : context.message,
                        context.detail);
}

int check_frame(std::uint32_t op, const Frame& frame) {
  if (!frame.ok()) [[unlikely]] {
    return refuse(op, Error{Errc::too_large, concat("more than ", VAC_MAX_RECORDS, " records")});
  }
  if (frame.writes_memory()) {
    if (const std::optional<Error> overlap = find_overlap(op, frame))
      return set_last_error(*overlap);
  }
  return VAC_OK;
}

int dispatch(vac_session* session, std::uint32_t op, const Frame& frame, Outputs& outputs) {
  if (session == nullptr) [[unlikely]]
    return refuse(op, refused_visit(session));
  core::Visit visit(session->core, session->process);
  if (visit.session() == nullptr) [[unlikely]]
    return refuse(op, refused_visit(session));
  if (!frame.ok() || frame.writes_memory()) [[unlikely]] {
    if (const int checked = check_frame(op, frame); checked != VAC_OK) return checked;
  }
  core::CallContext context;
  context.sink = &outputs;
  if (session->progress.function != nullptr) context.progress = &session->progress;
  context.visit = &visit;
  const int code = run_in(*visit.session(), op, frame, context);
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

int refuse_argument(std::uint32_t op, std::size_t index, const Error& error) {
  const Op* found = find_op(op);
  if (found == nullptr || index >= found->args.size()) return refuse(op, error);
  return refuse(
      op, Error{error.code(), concat("argument '", found->args[index].name, "' ", error.text())});
}

Status describe(const core::Session& session, const TextRoom& room) {
  if (room.bytes == nullptr || (room.text == nullptr && room.capacity != 0)) {
    return Error{Errc::invalid, "session_describe: json or bytes is NULL"};
  }
  const std::string text = session.runtime().describe_json();
  if (room.capacity <= text.size()) {
    *room.bytes = text.size() + 1;
    return Error{Errc::no_space, concat("session_describe: argument 'json' needs a capacity of ",
                                        *room.bytes, ", ", room.capacity, " was given")};
  }
  std::memcpy(room.text, text.c_str(), text.size() + 1);
  *room.bytes = text.size();
  return {};
}

}  // namespace vac::capi

int vac_session_open(const char* address, const char* options_json, vac_session** session) {
  return vac::capi::guarded([&]() -> vac::Status {
    if (session == nullptr)
      return vac::Error{vac::Errc::invalid, "session_open: the place for the session is NULL"};
    VAC_TRY(vac::core::SessionOptions options, vac::capi::read_options(address, options_json));
    vac::capi::Process& process = vac::capi::process();
    VAC_TRY(auto core, process.runtime.open_session(std::move(options)));
    vac_session* const opened = process.sessions.take();
    opened->process = process.number;
    opened->progress = {};
    opened->core.store(core.release());
    process.open_sessions.fetch_add(1);
    *session = opened;
    return {};
  });
}

int vac_session_on_progress(vac_session* session, vac_progress_function function, void* user) {
  return vac::capi::guarded([&]() -> vac::Status {
    if (session == nullptr)
      return vac::Error{vac::Errc::invalid, "session_on_progress: the session is NULL"};
    const vac::core::Visit visit(session->core, session->process);
    if (visit.session() == nullptr) {
      return vac::capi::refused_visit(session).with_context("session_on_progress");
    }
    session->progress.function = function;
    session->progress.user = user;
    return {};
  });
}

void vac_session_close(vac_session* session) {
  using vac::core::Session;
  vac::capi::Process* const process = vac::capi::find_process();
  if (session == nullptr || process == nullptr || session->process != process->number) return;
  Session* core = session->core.load();
  if (core == nullptr) return;
  if (vac::core::visits(*core)) {
    vac::log_error("a session is closed within a call of its own: it stays open");
    return;
  }
  if (!session->core.compare_exchange_strong(core, nullptr)) return;
  if (!vac::core::end_visits(*core, vac::capi::kClosePatience)) {
    vac::log_error("a session of ", core->options().address,
                   " is closed, and its calls do not end "
                   "10 s after they were cancelled: it is left to them, with its memory");
    return;
  }
  if (!vac::capi::wait_for_submissions(*session, vac::capi::kClosePatience)) {
    vac::log_error("a session of ", core->options().address,
                   " is closed, and calls that were submitted do not end: it is left to them");
    return;
  }
  std::set<vac_resource*> left;
  {
    const vac::MutexLock lock(session->mutex);
    left.swap(session->resources);
  }
  for (vac_resource* resource : left) {
    delete resource->core.exchange(nullptr);
    process->resources.give_back(*resource);
  }
  delete core;
  process->sessions.give_back(*session);
  // A process without sessions has no threads of ours.
  if (process->open_sessions.fetch_sub(1) == 1 && !vac::capi::in_callback()) {
    process->runtime.call_pool().rest();
    process->runtime.teller().rest();
  }
}

int vac_session_describe(vac_session* session, char* json, std::size_t capacity,
                         std::size_t* bytes) {
  using vac::capi::guarded;
  {
    static const std::atomic<vac::core::Session*> kNone{nullptr};
    const vac::core::Visit visit(session == nullptr ? kNone : session->core,
                                 session == nullptr ? 0 : session->process);
    if (visit.session() == nullptr) {
      return guarded([&]() -> vac::Status {
        return vac::capi::refused_visit(session).with_context("session_describe");
      });
    }
    if (visit.session()->local()) {
      return guarded(
          [&] { return vac::capi::describe(*visit.session(), {json, capacity, bytes}); });
    }
  }
  return vac::capi::invoke(session, vac::capi::kInfo, vac::capi::out_string(json, capacity, bytes));
}

const char* vac_session_address(const vac_session* session) {
  const vac::core::Session* const core = session == nullptr ? nullptr : session->core.load();
  return core == nullptr ? "" : core->options().address.c_str();
}

const char* vac_version(void) { return vac::core::kVersion; }
