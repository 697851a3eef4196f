// SPDX-License-Identifier: Apache-2.0
// Future: the result of a call that goes on while the program does other things.
#pragma once

#include <vac/async.h>
#include <vac/detail/last_error.hpp>
#include <vac/result.hpp>

#include <atomic>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

namespace vac {

/// How a call that goes on is made.
struct CallOptions {
  std::chrono::milliseconds deadline{0};  ///< from submitting to the end; 0: the session's timeout
  /// Told once that the call is done, by a thread of the library. It must return soon and throw
  /// nothing; what would wait is refused in it (VAC_EDEADLK). Submitting is not.
  std::function<void()> done = nullptr;
};

namespace detail {

/// A submitted call and what it writes to. Stays at its address until the call is finished.
class Pending {
 public:
  Pending() = default;
  virtual ~Pending() { finish(); }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  vac_call_handle* handle() const noexcept { return handle_; }
  /// Cancels it and waits for its end, where nobody has asked for its result.
  void finish() noexcept {
    if (handle_ == nullptr) return;
    vac_call_cancel(handle_);
    (void)vac_call_finish(std::exchange(handle_, nullptr));
  }

  /// False: it is done already.
  bool resume_when_done(std::coroutine_handle<> coroutine) noexcept {
    void* nobody = nullptr;
    return waiter_.compare_exchange_strong(nobody, coroutine.address());
  }

 protected:
  /// Submits by `submit(options, &handle)`.
  template <class Submit>
  int start(CallOptions options, const Submit& submit) {
    done_ = std::move(options.done);
    vac_call_options given{};
    given.struct_size = sizeof given;
    given.done = &Pending::tell;
    given.user = this;
    const auto deadline = options.deadline.count();
    given.timeout_ms = deadline <= 0            ? 0
                       : deadline < VAC_FOREVER ? static_cast<std::uint32_t>(deadline)
                                                : VAC_FOREVER;
    return submit(&given, &handle_);
  }
  /// The call's code.
  int finish_call() { return vac_call_finish(std::exchange(handle_, nullptr)); }

 private:
  static void tell(void* user, vac_call_handle* /*call*/, int /*code*/) {
    auto& self = *static_cast<Pending*>(user);
    // What is told may end this object: nothing of it is touched afterwards.
    const std::function<void()> done = std::move(self.done_);
    void* const coroutine = self.waiter_.exchange(&self);
    if (done) done();
    if (coroutine != nullptr) std::coroutine_handle<>::from_address(coroutine).resume();
  }

  vac_call_handle* handle_ = nullptr;
  std::function<void()> done_;
  std::atomic<void*> waiter_{nullptr};  // a coroutine; this object itself: done
};

/// One whose result is a Result<T>.
template <class T>
class PendingResult : public Pending {
 public:
  /// Waits for the end; once.
  virtual Result<T> get() = 0;
};

}  // namespace detail

/// The result of a call that was submitted: of <operation>_async() and Model::run_async(). Movable;
/// its destructor cancels a call whose result nobody has taken, and waits for its end. What the
/// call reads and fills must live until get() has returned or the future is destroyed: arrays,
/// bytes, resources; text and tensors it keeps itself. done() and cancel() may be called by any
/// thread.
///
/// `co_await future` is get() without waiting in a thread: the coroutine goes on in a thread of the
/// library, where what would wait is refused (VAC_EDEADLK).
template <class T>
class [[nodiscard]] Future {
 public:
  Future() = default;
  explicit Future(std::unique_ptr<detail::PendingResult<T>> call) : call_(std::move(call)) {}
  /// Of a call that could not be submitted.
  explicit Future(Error error) : refused_(std::move(error)) {}

  /// False: default-constructed, moved from, or the result has been taken.
  explicit operator bool() const noexcept { return call_ != nullptr || refused_.has_value(); }
  bool done() const noexcept { return call_ == nullptr || vac_call_is_done(call_->handle()) != 0; }
  /// Waits at most so long. VAC_ETIMEDOUT: it is not done yet.
  Status wait_for(std::chrono::milliseconds time) const {
    if (call_ == nullptr) return {};
    const auto left = time.count() < 0             ? 0
                      : time.count() < VAC_FOREVER ? static_cast<std::uint32_t>(time.count())
                                                   : VAC_FOREVER;
    const int code = vac_call_wait(call_->handle(), left);
    return code == VAC_OK ? Status{} : Status{last_error(code)};
  }
  Status wait() const { return wait_for(std::chrono::milliseconds(VAC_FOREVER)); }
  /// The call ends soon, with VAC_ECANCELED unless it is done.
  void cancel() noexcept {
    if (call_ != nullptr) vac_call_cancel(call_->handle());
  }
  /// Waits, and takes the result; once. VAC_EBADF where there is none to take.
  Result<T> get() {
    if (refused_) return *std::exchange(refused_, std::nullopt);
    if (call_ == nullptr) return Error{Errc::bad_handle, "the future has no result"};
    const std::unique_ptr<detail::PendingResult<T>> call = std::move(call_);
    return call->get();
  }
  /// For the functions of vac/async.h; nullptr where the call could not be submitted.
  vac_call_handle* handle() const noexcept { return call_ == nullptr ? nullptr : call_->handle(); }

  auto operator co_await() & noexcept { return Awaiter{*this}; }
  auto operator co_await() && noexcept { return Awaiter{*this}; }

 private:
  struct Awaiter {
    Future& future;
    bool await_ready() const noexcept { return future.done(); }
    bool await_suspend(std::coroutine_handle<> coroutine) const noexcept {
      return future.call_->resume_when_done(coroutine);
    }
    Result<T> await_resume() const { return future.get(); }
  };

  std::unique_ptr<detail::PendingResult<T>> call_;
  std::optional<Error> refused_;
};

}  // namespace vac
