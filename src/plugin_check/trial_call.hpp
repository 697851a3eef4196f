// SPDX-License-Identifier: Apache-2.0
// One call given to a plugin under check: its memory is guarded, and it is compared with what was
// given afterwards.
#pragma once

#include <vac/plugin.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "call/op_table.hpp"
#include "plugin_check/built_call.hpp"
#include "plugin_check/call_record.hpp"

namespace vac::plugin_check {

/// What a call was given besides its arguments.
struct CallPlace {
  void* session_state = nullptr;
  void* resource_state = nullptr;
  std::uint32_t slot = VAC_NO_SLOT;
};

/// Confined to one thread between submit and the end. Must not move.
class TrialCall {
 public:
  /// `title` names it in texts: "call 3 of 50". `built` must outlive it.
  TrialCall(const Op& op, BuiltCall& built, const CallPlace& place, std::string title);
  TrialCall(const TrialCall&) = delete;
  TrialCall& operator=(const TrialCall&) = delete;

  vac_call& call() noexcept { return call_; }
  CallRecord& record() noexcept { return record_; }
  BuiltCall& built() noexcept { return built_; }
  const std::string& title() const noexcept { return title_; }

  /// After submit of this call alone returned `code`; waits where the plugin completes it by
  /// itself. `asynchronous`: the plugin's table says that it may.
  void end(int code, bool asynchronous);
  /// After submit of a batch returned VAC_EINPROGRESS.
  void end_in_batch();
  /// After submit of a batch was refused with `code`, which stands for each of its calls.
  void end_refused(int code);
  /// Once more, when the plugin is closed: it must have left the call alone.
  void look_again();

  /// After the end.
  int code() const noexcept { return code_; }
  /// Cancelled, or its deadline came.
  bool gave_up() const noexcept { return code_ == VAC_ECANCELED || code_ == VAC_ETIMEDOUT; }
  std::string text() const { return record_.text(); }
  std::vector<Breach> take_breaches();
  /// Empty where both calls gave the same, else which output is another. Both have succeeded.
  std::string difference(const TrialCall& other) const;

 private:
  struct Output {
    std::string name;
    std::vector<std::byte> bytes;  // type, shape and data
  };
  void copy_memory();
  void judge();
  void check_code();
  void check_inputs();
  void check_guards(const char* when);
  void check_outputs();
  void check_output(std::uint32_t arg, std::size_t position);
  void check_array(std::uint32_t arg, std::size_t position);
  void check_list(std::uint32_t arg);
  void broken(Promise promise, std::string text);
  std::vector<Output> outputs() const;

  const Op& op_;
  BuiltCall& built_;
  const std::string title_;
  std::vector<vac_arg> args_, given_;  // the plugin's, and how they were at submit
  std::vector<std::int64_t> meta_;
  std::deque<GuardedMemory> memory_;
  std::vector<const GuardedMemory*> memory_of_;  // by record; nullptr: has none
  std::vector<void*> states_;
  vac_call call_{};
  CallRecord record_;
  int code_ = VAC_OK;
  unsigned right_completions_ = 0;
  std::vector<Output> at_end_;
};

}  // namespace vac::plugin_check
