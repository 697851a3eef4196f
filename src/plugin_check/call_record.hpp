// SPDX-License-Identifier: Apache-2.0
// The kit's host: what it gives to plugins, and what it keeps of all that a plugin says of a call.
#pragma once

#include <vac/plugin.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/futex_word.hpp"
#include "base/mutex.hpp"
#include "call/op_table.hpp"
#include "plugin_check/guarded_memory.hpp"

namespace vac::plugin_check {

/// The promises of the ABI that every call is held to.
enum class Promise : std::uint8_t { completes_once, codes, texts, inputs_stay, bounds, outputs };
inline constexpr std::size_t kPromises = 6;

/// A promise that was broken.
struct Breach {
  Promise promise;
  std::string text;  ///< what, and what to do
};

/// What a plugin asked for by vac_host.output.
struct GivenOutput {
  std::uint8_t type = VAC_NONE;
  std::vector<std::int64_t> dims;
  GuardedMemory memory;
};

/// One call as its host sees it; vac_call.host_priv points here. Thread-safe: threads of the plugin
/// write while the caller waits.
class CallRecord {
 public:
  CallRecord(const Op& op, const vac_call& call) : op_(op), call_(call) {}

  // What the host answers:
  std::atomic<bool> cancelled{false};  ///< from the start; later the deadline does it
  std::atomic<bool> no_memory{false};  ///< output answers NULL

  // The functions of the host table:
  void complete(int code, const char* message);
  void error(std::uint32_t detail, const char* message);
  void* output(std::uint32_t arg, std::uint32_t child, std::uint64_t bytes, std::uint8_t type,
               std::uint8_t rank, const std::int64_t* dims);

  bool is_cancelled() const noexcept;

  // For who submitted the call:
  /// Until complete() was called.
  void wait() const;
  /// No further calls of the host are right; done by complete() and by a code that submit returns.
  void close();
  unsigned completions() const noexcept { return completions_.load(); }
  int code() const;
  std::string text() const;
  /// For more than nothing.
  bool asked_for_memory() const;
  void add_breach(Promise promise, std::string text);
  std::vector<Breach> take_breaches();

  using Outputs = std::map<std::pair<std::uint32_t, std::uint32_t>, GivenOutput>;
  /// By argument and child. After the end of the call.
  const Outputs& outputs() const noexcept VAC_NO_THREAD_SAFETY_ANALYSIS { return outputs_; }

 private:
  const vac_arg* find_record(std::uint32_t arg) const noexcept;
  std::string name_of(std::uint32_t arg) const;
  std::string reason_against(std::uint32_t arg, std::uint32_t child, std::uint64_t bytes,
                             std::uint8_t type, std::uint8_t rank, const std::int64_t* dims) const
      VAC_REQUIRES(mutex_);

  const Op& op_;
  const vac_call& call_;
  FutexWord done_;
  std::atomic<unsigned> completions_{0};
  mutable Mutex mutex_;
  bool closed_ VAC_GUARDED_BY(mutex_) = false;
  bool asked_ VAC_GUARDED_BY(mutex_) = false;
  int code_ VAC_GUARDED_BY(mutex_) = 0;
  std::string text_ VAC_GUARDED_BY(mutex_);
  Outputs outputs_ VAC_GUARDED_BY(mutex_);
  std::vector<Breach> breaches_ VAC_GUARDED_BY(mutex_);
};

/// The table that is given to plugins.
const vac_host& kit_host() noexcept;

/// What the plugin said by vac_host.error outside of a call on this thread.
void clear_thread_text() noexcept;
std::string take_thread_text();

}  // namespace vac::plugin_check
