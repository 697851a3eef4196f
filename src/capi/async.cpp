// SPDX-License-Identifier: Apache-2.0
#include <vac/async.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "base/text.hpp"
#include "capi/last_error.hpp"
#include "capi/process.hpp"
#include "capi/submission.hpp"
#include "core/monotonic.hpp"
#include "core/visit.hpp"

namespace vac::capi {
namespace {

/// Of this thread, while its function is told of it.
constinit thread_local const Submission* called_back = nullptr;

/// Counts calls that are done, for those who wait for any of several.
FutexWord any_done;
std::atomic<std::uint32_t> any_waiters{0};

std::int64_t end_of(std::uint32_t timeout_ms) noexcept {
  return timeout_ms == VAC_FOREVER ? 0 : core::now_ns() + std::int64_t{timeout_ms} * 1'000'000;
}

/// What was wrong with the arguments of a function that submits.
Status check_options(const vac_session* session, const vac_call_options* options,
                     vac_call_handle* const* handle) {
  if (session == nullptr) return Error{Errc::invalid, "the session is NULL"};
  if (handle == nullptr) return Error{Errc::invalid, "the place for the call's handle is NULL"};
  if (options != nullptr && options->struct_size != sizeof(vac_call_options)) {
    return Error{Errc::invalid, concat("the options' struct_size is ", options->struct_size,
                                       ": set it to sizeof(vac_call_options)")};
  }
  return {};
}

Error would_wait(const char* function) {
  return Error{Errc::deadlock,
               concat(function,
                      ": it would wait, in a function that is told of a call: submit "
                      "calls there, and finish those that are done")};
}

/// One who waits for any call.
struct AnyWaiter {
  AnyWaiter() noexcept {
    any_waiters.fetch_add(1);
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
  ~AnyWaiter() { any_waiters.fetch_sub(1); }
  AnyWaiter(const AnyWaiter&) = delete;
  AnyWaiter& operator=(const AnyWaiter&) = delete;
};

Status wait_any(std::span<vac_call_handle* const> calls, std::uint32_t timeout_ms,
                std::size_t& index) {
  const std::int64_t until_ns = end_of(timeout_ms);
  const AnyWaiter waiter;
  for (bool late = false;;) {
    const std::uint32_t seen = any_done.load();
    bool any = false;
    for (index = 0; index < calls.size(); ++index) {
      if (calls[index] == nullptr) continue;
      any = true;
      VAC_TRY(const Submission* found, find_submission(calls[index], "call_wait_any"));
      if (found->is_done_here()) return {};
    }
    if (!any) return Error{Errc::invalid, "call_wait_any: there is no call to wait for"};
    if (in_callback()) return would_wait("call_wait_any");
    if (late) return Error{Errc::timed_out, "call_wait_any: none of the calls is done yet"};
    late = any_done.wait(seen, until_ns == 0 ? std::nullopt : std::optional(until_ns)) ==
           FutexWait::timed_out;
  }
}

}  // namespace

bool in_callback() noexcept { return called_back != nullptr; }

bool Submission::calls_back_here() const noexcept { return called_back == this; }

Status Submission::start(vac_session& session, const vac_call_options* options,
                         vac_call_handle& handle) noexcept {
  session_ = &session;
  handle_ = &handle;
  if (options != nullptr) options_ = *options;
  if (options_.completions != nullptr) completions_ = options_.completions->queue;
  // From here on who closes the session waits for the call, and for this thread: the call may be
  // over before its plugin has let go of the thread.
  session.submissions.fetch_add(2);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  Status started;
  try {
    started = begin();
  } catch (const std::bad_alloc&) {
    started = Error{Errc::no_memory};
  }
  leave_session(session);
  if (!started) leave_session(session);
  return started;  // after a success this object may be gone
}

Status Submission::begin() {
  vac_session& session = *session_;
  core::Session* const core = session.core.load();
  if (core == nullptr || session.process != process_number()) return refused_visit(&session);
  call_.op = op_;
  call_.args = frame_.records().data();
  call_.arg_count = static_cast<std::uint32_t>(frame_.records().size());
  call_.meta = frame_.meta();
  call_.meta_bytes = frame_.meta_bytes();
  const std::uint32_t timeout_ms =
      options_.timeout_ms != 0 ? options_.timeout_ms : core->options().timeout_ms;
  if (timeout_ms != 0) call_.deadline_ns = end_of(timeout_ms);
  context_.sink = &outputs_;
  context_.resources = frame_.resources();
  if (session.progress.function != nullptr) context_.progress = &session.progress;
  if (give_to_plugin(*core)) return {};
  if (core->runtime().call_pool().start(*this)) return {};
  return Error{Errc::again, "there is no thread for the call, and the system gives none now"};
}

/// True: the plugin has it, or had it.
bool Submission::give_to_plugin(core::Session& core) noexcept {
  if (core.local()) return false;
  teller_ = &core.runtime().teller();
  taken_ = true;
  if (core.start(call_, context_, *this)) return true;
  taken_ = false;
  return false;
}

/// Of a pool: what the program is to be told of a taken call, or all of another.
void Submission::run() noexcept {
  if (!taken_) {
    code_ = run_call();
    leave_session(*session_);
  }
  tell();
}

/// The program's functions are not for the thread that reads for all calls: what is told by one has
/// a thread of its own.
void Submission::on_end(int code) noexcept {
  code_ = code;
  vac_session& session = *session_;
  // Where there is no such thread it is better told here than never.
  if (options_.done == nullptr || !teller_->start(*this)) tell();
  leave_session(session);
}

/// Lets it become done. It may be gone when this returns.
void Submission::tell() noexcept {
  std::unique_ptr<Submission> freed;
  if (options_.done != nullptr) {
    called_back = this;
    {
      const core::NoVisits none;
      options_.done(options_.user, handle_, code_);
    }
    called_back = nullptr;
    freed = std::move(freed_later_);
  }
  if (freed != nullptr) return;
  // Its handle may be finished as soon as it is done.
  const FutexWord& state = state_;
  const std::shared_ptr<Completions> completions = completions_;
  if (completions != nullptr ? completions->add(*this) : become_done()) state.wake_all();
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (any_waiters.load() == 0) return;
  any_done.fetch_add(1);
  any_done.wake_all();
}

int Submission::run_call() noexcept {
  const auto ends = [&](int code, const char* text) {
    context_.message = text;
    return code;
  };
  try {
    core::Visit visit(session_->core, session_->process);
    if (visit.session() == nullptr) return ends(VAC_ECANCELED, "its session is closed");
    if (context_.cancelled.load()) return ends(VAC_ECANCELED, "cancelled before it was started");
    if (call_.deadline_ns != 0 && core::now_ns() >= call_.deadline_ns) {
      return ends(VAC_ETIMEDOUT, "its time was over before it could be started");
    }
    context_.visit = &visit;
    return visit.session()->dispatch(call_, context_);
  } catch (...) {  // no memory for the text
    return VAC_ENOMEM;
  }
}

bool Submission::wait(std::int64_t until_ns) noexcept {
  while (!is_done()) {
    std::uint32_t running = kRunning;
    state_.compare_exchange(running, kAwaited);
    const auto limit = until_ns == 0 ? std::nullopt : std::optional(until_ns);
    if (state_.wait(kAwaited, limit) == FutexWait::timed_out) break;
  }
  return is_done();
}

void Submission::cancel() noexcept {
  context_.cancel();
  if (!taken_) return core::cancel_visit(call_);
  if (is_done()) return;
  // Who closes the session, and cancels all of its calls, waits for this.
  vac_session& session = *session_;
  session.submissions.fetch_add(1);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (core::Session* const core = session.core.load(); core != nullptr && !is_done()) {
    core->cancel_taken(call_);
  }
  leave_session(session);
}

int Submission::hand_over() noexcept {
  return guarded([this] {
    if (code_ == VAC_OK && !outputs_.error()) return give();
    return tell_failure(op_, code_, context_, outputs_);
  });
}

Result<Submission*> find_submission(const vac_call_handle* handle, const char* function) {
  if (handle == nullptr) return Error{Errc::invalid, concat(function, ": the call is NULL")};
  if (handle->process != process_number()) {
    return Error{Errc::owner_dead,
                 concat(function, ": the call was submitted before fork(): submit in the child")};
  }
  if (Submission* const found = handle->submission.load()) return found;
  return Error{Errc::bad_handle, concat(function, ": the call is finished")};
}

int start(vac_session* session, const vac_call_options* options, std::uint32_t op,
          std::unique_ptr<Submission> submission, vac_call_handle** handle) {
  if (Status checked = check_options(session, options, handle); !checked) {
    return refuse(op, checked.error());
  }
  if (const int code = submission->check(); code != VAC_OK) return code;
  HandlePool<vac_call_handle>& handles = process().calls;
  vac_call_handle& taken = *handles.take();
  taken.process = process_number();
  taken.submission.store(submission.get());
  // Before it starts: its function may be told of it at once.
  vac_call_handle* const before = std::exchange(*handle, &taken);
  const Status started = submission->start(*session, options, taken);
  if (started) {
    [[maybe_unused]] const Submission* const owned = submission.release();  // by the handle
    return VAC_OK;
  }
  *handle = before;
  taken.submission.store(nullptr);
  handles.give_back(taken);
  return refuse(op, started.error());
}

void leave_session(vac_session& session) noexcept {
  const bool last = session.submissions.fetch_add(UINT32_MAX) == 1;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (last && session.core.load() == nullptr) session.submissions.wake_all();
}

bool wait_for_submissions(vac_session& session, std::chrono::milliseconds patience) noexcept {
  const std::int64_t end_ns = core::now_ns() + std::chrono::nanoseconds(patience).count();
  std::atomic_thread_fence(std::memory_order_seq_cst);
  for (;;) {
    const std::uint32_t left = session.submissions.load();
    if (left == 0) return true;
    if (session.submissions.wait(left, end_ns) == FutexWait::timed_out) return false;
  }
}

}  // namespace vac::capi

using namespace vac::capi;  // NOLINT(google-build-using-namespace)

int vac_call_is_done(const vac_call_handle* call) {
  if (call == nullptr || call->process != vac::process_number()) return 0;
  const Submission* const found = call->submission.load();
  return found != nullptr && found->is_done_here() ? 1 : 0;
}

int vac_call_wait(vac_call_handle* call, std::uint32_t timeout_ms) {
  return guarded([&]() -> vac::Status {
    VAC_TRY(Submission * found, find_submission(call, "call_wait"));
    if (found->is_done_here()) return {};
    if (in_callback()) return would_wait("call_wait");
    if (found->wait(end_of(timeout_ms))) return {};
    return vac::Error{vac::Errc::timed_out, "call_wait: the call is not done yet"};
  });
}

int vac_call_wait_any(vac_call_handle* const* calls, std::size_t count, std::uint32_t timeout_ms,
                      std::size_t* index) {
  return guarded([&]() -> vac::Status {
    if (index == nullptr || (calls == nullptr && count != 0)) {
      return vac::Error{vac::Errc::invalid, "call_wait_any: calls or index is NULL"};
    }
    return wait_any({calls, count}, timeout_ms, *index);
  });
}

void vac_call_cancel(vac_call_handle* call) {
  if (call == nullptr || call->process != vac::process_number()) return;
  if (Submission* const found = call->submission.load()) found->cancel();
}

int vac_call_finish(vac_call_handle* call) {
  return guarded([&]() -> int {
    auto found = find_submission(call, "call_finish");
    if (!found) return set_last_error(found.error());
    if (!(*found)->is_done_here()) {
      if (in_callback()) return set_last_error(would_wait("call_finish"));
      (void)(*found)->wait(0);
    }
    std::unique_ptr<Submission> owned(*found);
    call->submission.store(nullptr);
    const int code = owned->hand_over();
    Submission& submission = *owned;
    if (submission.calls_back_here()) submission.free_later(std::move(owned));
    find_process()->calls.give_back(*call);
    return code;
  });
}
