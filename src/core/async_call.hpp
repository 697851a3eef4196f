// SPDX-License-Identifier: Apache-2.0
// A call as an asynchronous plugin has it: a copy in memory of the host's own, so that a plugin
// that completes twice, late or never reaches nothing of the caller's.
#pragma once

#include <vac/plugin.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/futex_word.hpp"
#include "core/call_context.hpp"

namespace vac::core {

class SlotPool;

/// Confined to the thread that dispatches, but for complete(), wake() and, while it is pending, the
/// output() of its context. Never freed, but used again: a plugin's pointer to an old call is a
/// pointer to some AsyncCall.
class AsyncCall final : public OutputSink, public Waker {
 public:
  /// One that nobody uses, the longest unused first.
  static AsyncCall& take();
  /// The one that a plugin names by its call; nullptr: it is none.
  static AsyncCall* find(const vac_call* call) noexcept;
  /// Makes all that wait look at their calls again.
  static void wake_all() noexcept;

  /// Copies what the caller gave; outputs get memory of this object. From here on it is pending.
  /// Where it throws it is free again.
  void begin(const vac_call& from, const CallContext& context);
  /// For a call that its plugin completes before submit returns: lends what the caller gave, and
  /// what the plugin says goes to the caller's context.
  void lend(const vac_call& from, CallContext& context) noexcept;
  /// After that submit: whether a lent one is complete. Else it ends with `otherwise`.
  bool close(int otherwise) noexcept;
  /// Lets go of the caller of a lent one. Returns the call's code.
  int take_back(vac_call& to) noexcept;
  vac_call& call() noexcept { return call_; }
  /// Sleeps until it is completed, woken or the time has come (CLOCK_MONOTONIC ns, 0 none). Whether
  /// it is complete.
  bool wait(std::int64_t until_ns) noexcept;
  /// Copies the results to the caller, and lets go of it. Returns the call's code.
  int finish(vac_call& to, CallContext& context) noexcept;
  /// For a submit that has returned a final code: it is done. False: it has been completed, all the
  /// same.
  bool settle(int code) noexcept;
  /// Leaves it to its plugin for ever; the slot too, until the plugin completes it after all.
  /// False: it is complete now.
  bool abandon(SlotPool* slots) noexcept;

  /// What the plugin says. False: it is not waited for.
  bool complete(int code, const char* message) noexcept;
  bool pending() const noexcept;

  void* output(vac_call& call, std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
               std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) noexcept override;
  void wake() noexcept override;

 private:
  // What state_ holds.
  static constexpr std::uint32_t kFree = 0, kPending = 1, kWoken = 2, kDone = 3, kAbandoned = 4;
  struct Registry;
  struct Given {
    std::uint32_t arg, child;
    std::uint64_t bytes;
    std::uint8_t type, rank;
    std::int64_t dims[VAC_MAX_RANK];
    std::unique_ptr<std::byte[]> memory;
  };

  AsyncCall() = default;
  static Registry& registry() noexcept;
  void copy(const vac_call& from, const CallContext& context);
  void open(const CallContext& context) noexcept;
  int deliver(vac_call& to, CallContext& context);
  void recycle() noexcept;

  vac_call call_{};
  CallContext context_;
  CallContext* told_ = &context_;  // what the plugin says of it goes there
  std::vector<vac_arg> records_;
  std::vector<std::int64_t> meta_;
  std::vector<void*> states_;
  std::unique_ptr<std::byte[]> data_;
  std::vector<Given> given_;
  SlotPool* slots_ = nullptr;        // of one that was given up
  std::atomic<bool> claimed_{true};  // completed, or not to be
  int code_ = 0;
  FutexWord state_{kFree};
};

}  // namespace vac::core
