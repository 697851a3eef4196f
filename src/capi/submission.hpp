// SPDX-License-Identifier: Apache-2.0
// What a vac_call_handle stands for: an asynchronous call with its arguments, until it is finished.
#pragma once

#include <vac/async.h>
#include <vac/plugin.h>
#include <vac/result.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <tuple>
#include <utility>

#include "base/futex_word.hpp"
#include "capi/arguments.hpp"
#include "capi/completions.hpp"
#include "capi/frame.hpp"
#include "capi/handles.hpp"
#include "capi/invoke.hpp"
#include "capi/outputs.hpp"
#include "core/call_context.hpp"
#include "core/call_pool.hpp"
#include "core/taken_call.hpp"

namespace vac::capi {

/// Submitted once, then taken by its plugin or run by a thread of the pool, then finished by a
/// thread of the application. wait(), is_done() and cancel() are for any thread meanwhile.
class Submission : public core::CallPool::Task, public core::TakenCall {
 public:
  virtual ~Submission() {
    if (completions_ != nullptr) completions_->remove(*this);
  }
  Submission(const Submission&) = delete;
  Submission& operator=(const Submission&) = delete;

  Submission* next_done = nullptr;  ///< its queue's

  /// What no argument can tell alone. VAC_OK, or the thread's last error is set.
  int check() const { return check_frame(op_, frame_); }
  /// Gives the call to its plugin or to the pool. On failure nothing runs. On success it may be
  /// over, and this object gone.
  Status start(vac_session& session, const vac_call_options* options,
               vac_call_handle& handle) noexcept;
  bool is_done() const noexcept { return state_.load() == kDone; }
  /// Whether this thread is in the function that is told of it, for which it is done already.
  bool calls_back_here() const noexcept;
  bool is_done_here() const noexcept { return is_done() || calls_back_here(); }
  /// Until it is done, or CLOCK_MONOTONIC has come to `until_ns` (0: never). Whether it is done.
  bool wait(std::int64_t until_ns) noexcept;
  void cancel() noexcept;
  /// Of one that is done: hands over the results. The code; on failure the last error is set.
  int hand_over() noexcept;
  vac_call_handle* handle() const noexcept { return handle_; }
  void* user() const noexcept { return options_.user; }
  /// Of one that is finished in its callback, and is freed behind it.
  void free_later(std::unique_ptr<Submission> self) noexcept { freed_later_ = std::move(self); }

 protected:
  Submission(std::uint32_t op, std::span<vac_arg> records, std::span<std::int64_t> dims)
      : frame_(records, dims), outputs_(frame_), op_(op) {}

  Frame frame_;
  Outputs outputs_;

 private:
  friend class Completions;
  static constexpr std::uint32_t kRunning = 0, kAwaited = 1, kDone = 2;

  /// Whether a thread sleeps until it is. The object may be gone when this returns.
  bool become_done() noexcept { return state_.exchange(kDone) == kAwaited; }
  /// What follows success: gives the outputs to the caller, where all have room.
  virtual int give() = 0;
  Status begin();
  bool give_to_plugin(core::Session& core) noexcept;
  void run() noexcept override;
  void on_end(int code) noexcept override;
  int run_call() noexcept;
  void tell() noexcept;

  const std::uint32_t op_;
  vac_session* session_ = nullptr;
  vac_call_options options_{};
  vac_call_handle* handle_ = nullptr;
  vac_call call_{};
  core::CallContext context_;
  core::CallPool* teller_ = nullptr;
  bool taken_ = false;  // by its plugin: no thread of the pool runs it
  int code_ = VAC_OK;
  FutexWord state_{kRunning};
  std::shared_ptr<Completions> completions_;  // shared with the queue's handle and other calls
  std::unique_ptr<Submission> freed_later_;   // itself
};

template <std::size_t kRecords, std::size_t kShapes, class... Arguments>
class SubmissionOf final : public Submission {
 public:
  // The base only keeps the addresses of what is made after it.
  explicit SubmissionOf(std::uint32_t op, Arguments... arguments)
      : Submission(op, records_, dims_), op_(op), arguments_(arguments...) {}

  /// Writes the records. On failure the thread's last error is set.
  int put() {
    return each([&](auto& argument) { return argument.put(frame_); });
  }

 private:
  template <class Function>
  int each(const Function& function) {
    int code = VAC_OK;
    std::size_t index = 0;
    [[maybe_unused]] const auto succeeds = [&](const Status& status) {
      if (!status) code = refuse_argument(op_, index, status.error());
      ++index;
      return code == VAC_OK;
    };
    std::apply([&](auto&... argument) { (void)(... && succeeds(function(argument))); }, arguments_);
    return code;
  }
  int give() override {
    const int code = each([&](auto& argument) { return argument.room(outputs_); });
    if (code != VAC_OK) return code;
    std::apply([&](auto&... argument) { (argument.give(outputs_), ...); }, arguments_);
    return VAC_OK;
  }

  const std::uint32_t op_;
  std::array<vac_arg, kRecords> records_;
  std::array<std::int64_t, kShapes * VAC_MAX_RANK> dims_;
  std::tuple<Arguments...> arguments_;
};

/// What a handle stands for. `function`: for the text of what is wrong with it.
Result<Submission*> find_submission(const vac_call_handle* handle, const char* function);
/// Starts it, and gives its handle. On failure the thread's last error is set.
int start(vac_session* session, const vac_call_options* options, std::uint32_t op,
          std::unique_ptr<Submission> submission, vac_call_handle** handle);

/// The one body of every generated function that submits.
template <class... Arguments>
int submit(vac_session* session, const vac_call_options* options, std::uint32_t op,
           vac_call_handle** handle, Arguments... arguments) noexcept {
  constexpr bool kLists = (false || ... || Arguments::kList);
  constexpr std::size_t kRecords = kLists ? VAC_MAX_RECORDS : 1 + sizeof...(Arguments);
  constexpr std::size_t kShapes = kLists ? VAC_MAX_RECORDS : 1 + (0 + ... + Arguments::kShapes);
  return guarded([&] {
    auto submission =
        std::make_unique<SubmissionOf<kRecords, kShapes, Arguments...>>(op, arguments...);
    const int code = submission->put();
    if (code != VAC_OK) return code;
    return start(session, options, op, std::move(submission), handle);
  });
}

}  // namespace vac::capi
